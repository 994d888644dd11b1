"""IdempotencyStore that are kept with their effects, so that a repeated request has its effect once (AIP-155).

A row of `idempotency_keys` is claimed when the transaction of a request begins and gets the answer before it commits: a
copy that comes meanwhile waits for the claim, and finds either the answer or nothing. An error leaves no row.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, Any, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import CursorResult, bindparam, delete, func, literal, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from stagely_rpc.background import Periodic
from stagely_rpc.db.models import IdempotencyKey
from stagely_rpc.db.sql.statement import Statement
from stagely_rpc.errors import AbortedError, InvalidArgumentError

if TYPE_CHECKING:
    from stagely_rpc.call import Call
    from stagely_rpc.db.database import Database
    from stagely_rpc.db.session import Executor
    from stagely_rpc.db.sql.statement import Query

_NONCE_BYTES = 12
_EXPIRY_SECONDS = 60.0
_EXPIRY_ROWS = 500

_CALLER, _REQUEST_ID = IdempotencyKey.caller, IdempotencyKey.request_id
_EXPIRY = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, bindparam("ttl_seconds"))
_NEW = insert(IdempotencyKey).values(caller=bindparam("by"), request_id=bindparam("id"), expires_at=_EXPIRY)
_CLAIM = Statement(
    _NEW.on_conflict_do_update(
        index_elements=[_CALLER, _REQUEST_ID],
        set_={"expires_at": _NEW.excluded.expires_at, "sealed_answer": None},
        where=IdempotencyKey.expires_at <= func.now(),
    ).returning(literal(1))
)
_IS_KEY = (bindparam("by") == _CALLER, bindparam("id") == _REQUEST_ID)
_STORED = Statement(select(IdempotencyKey.sealed_answer).where(*_IS_KEY))
_KEEP = Statement(update(IdempotencyKey).where(*_IS_KEY).values(sealed_answer=bindparam("sealed")))


class AlreadyAnsweredError(Exception):
    """The request was answered before. It is no error: it ends the transaction, and carries the answer.

    Attributes:
        answer: the serialized response.
    """

    def __init__(self, answer: bytes) -> None:
        super().__init__("the request was answered before")
        self.answer = answer


class IdempotencyStore:
    """Keeps answers and gives them back.

    What is stored is encrypted: an answer may carry a secret, and the fingerprint of a request could be used to guess
    one. Each key of a caller has an encryption key of its own, so that random nonces are never too many for one.
    """

    def __init__(self, key: bytes, ttl_seconds: int) -> None:
        """Take the key.

        Args:
            key: 32 bytes that every replica has, for this purpose alone.
            ttl_seconds: how long an answer is kept.
        """
        self._key = key
        self._ttl_seconds = ttl_seconds

    def claim(self, call: Call) -> Query[Any]:
        """Return the query that makes its transaction the only one to have the effect of a call's request.

        Its value is None if the request was answered before.
        """
        return _CLAIM.value(**_place(call), ttl_seconds=self._ttl_seconds)

    def stored(self, call: Call) -> Query[Any]:
        """Return the query for the answer that a call's request got before, as it is stored."""
        return _STORED.value(**_place(call))

    def open(self, call: Call, sealed: bytes | None) -> bytes:
        """Return the answer that a call's request got before.

        Raises:
            InvalidArgumentError: the id was another request's.
            AbortedError: it expired meanwhile, or can't be read any more.
        """
        assert call.repeatable is not None
        if sealed is None:
            message = "the answer of this request_id expired at the same time: retry"
            raise AbortedError(message, may_run_again=True)
        try:
            kept = self._cipher(call).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        except InvalidTag:
            # Kept under another ENCRYPTION_KEY, or changed: what it was is not known, and may not be done twice.
            raise AbortedError(
                "the request was answered before, and its answer can't be read any more", reason="ANSWER_UNREADABLE"
            ) from None
        fingerprint = call.repeatable.fingerprint
        if kept[: len(fingerprint)] != fingerprint:
            raise InvalidArgumentError.of(
                "request_id", "was used for another request: make a new one", reason="REQUEST_ID_REUSED"
            )
        return kept[len(fingerprint) :]

    def keep(self, call: Call, answer: bytes) -> Query[Any]:
        """Return the query that keeps the answer of a call's request."""
        assert call.repeatable is not None
        cipher, nonce = self._cipher(call), secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + cipher.encrypt(nonce, call.repeatable.fingerprint + answer, None)
        return _KEEP.value(**_place(call), sealed=sealed)

    def _cipher(self, call: Call) -> AESGCM:
        place = _place(call)
        return AESGCM(hmac.digest(self._key, place["id"].bytes + place["by"].encode(), "sha256"))


def _place(call: Call) -> dict[str, Any]:
    assert call.repeatable is not None
    return {"by": call.caller.service, "id": call.repeatable.request_id}


async def delete_expired(session: Executor, limit: int) -> int:
    """Delete answers that have been kept for long enough, at most so many; return how many there were."""
    expired = (
        select(_CALLER, _REQUEST_ID)
        .where(IdempotencyKey.expires_at <= func.now())
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    statement = delete(IdempotencyKey).where(tuple_(_CALLER, _REQUEST_ID).in_(expired))
    unsynchronized = statement.execution_options(synchronize_session=False)
    result = cast("CursorResult[Any]", await session.execute(unsynchronized))
    return result.rowcount


class Expiry:
    """Deletes expired answers every minute, a few at a time; replicas that do so at once take different rows."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._periodic = Periodic("answer expiry", _EXPIRY_SECONDS, work=self.sweep)

    def start(self) -> None:
        """Begin."""
        self._periodic.start()

    async def stop(self) -> None:
        """End."""
        await self._periodic.stop()

    async def sweep(self) -> None:
        """Delete what has expired, each batch in a transaction of its own."""
        while await self._sweep_batch() == _EXPIRY_ROWS:
            pass

    async def _sweep_batch(self) -> int:
        async with self._db.system_transaction() as transaction:
            return await delete_expired(transaction, _EXPIRY_ROWS)
