"""Idempotent requests (AIP-155): stores each response in the transaction of its request.

The transaction first inserts a row into `idempotency_keys`, the claim, and stores the response in it before COMMIT. A
concurrent retry waits for the claim. It then finds the response, or no row if the first call failed.
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
_SAVE = Statement(update(IdempotencyKey).where(*_IS_KEY).values(sealed_answer=bindparam("sealed")))


class AlreadyAnsweredError(Exception):
    """The request has a stored response. Raised to end the transaction; the interceptor returns the response.

    Attributes:
        answer: the serialized response.
    """

    def __init__(self, answer: bytes) -> None:
        super().__init__("the request has a stored response")
        self.answer = answer


class IdempotencyStore:
    """Stores responses and returns them to retries.

    A stored response is encrypted, because it may contain a secret, and because the request's fingerprint could help to
    guess one. Each row has its own encryption key, so that random nonces are safe.
    """

    def __init__(self, key: bytes, ttl_seconds: int) -> None:
        """Take the key.

        Args:
            key: 32 bytes, used only for this purpose and the same on every replica.
            ttl_seconds: how long a response is stored.
        """
        self._key = key
        self._ttl_seconds = ttl_seconds

    def claim(self, call: Call) -> Query[Any]:
        """Return the query that claims a call's request id for the transaction.

        Its result is None if the request has a stored response.
        """
        return _CLAIM.value(**_row_key(call), ttl_seconds=self._ttl_seconds)

    def find(self, call: Call) -> Query[Any]:
        """Return the query for the stored response, which is encrypted."""
        return _STORED.value(**_row_key(call))

    def open(self, call: Call, sealed: bytes | None) -> bytes:
        """Decrypt the stored response of a call's request.

        Raises:
            InvalidArgumentError: the id belongs to a different request.
            AbortedError: the response has just expired, or can't be decrypted.
        """
        assert call.idempotent_request is not None
        if sealed is None:
            message = "the stored response of this request_id has just expired: retry"
            raise AbortedError(message, may_run_again=True)
        try:
            opened = self._cipher(call).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        except InvalidTag:
            # Encrypted with another ENCRYPTION_KEY, or changed. The request must not run twice, so it fails.
            raise AbortedError(
                "the stored response of this request_id can't be decrypted", reason="ANSWER_UNREADABLE"
            ) from None
        fingerprint = call.idempotent_request.fingerprint
        if opened[: len(fingerprint)] != fingerprint:
            raise InvalidArgumentError.of(
                "request_id", "was used for a different request: generate a new one", reason="REQUEST_ID_REUSED"
            )
        return opened[len(fingerprint) :]

    def save(self, call: Call, answer: bytes) -> Query[Any]:
        """Return the query that stores the response of a call's request."""
        assert call.idempotent_request is not None
        cipher, nonce = self._cipher(call), secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + cipher.encrypt(nonce, call.idempotent_request.fingerprint + answer, None)
        return _SAVE.value(**_row_key(call), sealed=sealed)

    def _cipher(self, call: Call) -> AESGCM:
        key = _row_key(call)
        return AESGCM(hmac.digest(self._key, key["id"].bytes + key["by"].encode(), "sha256"))


def _row_key(call: Call) -> dict[str, Any]:
    assert call.idempotent_request is not None
    return {"by": call.caller.service, "id": call.idempotent_request.request_id}


async def delete_expired(session: Executor, limit: int) -> int:
    """Delete a limited number of expired responses. Return how many were deleted."""
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
    """Deletes expired responses every minute in small batches. Concurrent replicas delete different rows."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._periodic = Periodic("expiry of stored responses", _EXPIRY_SECONDS, work=self.sweep)

    def start(self) -> None:
        """Begin."""
        self._periodic.start()

    async def stop(self) -> None:
        """End."""
        await self._periodic.stop()

    async def sweep(self) -> None:
        """Delete all expired responses, each batch in its own transaction."""
        while await self._sweep_batch() == _EXPIRY_ROWS:
            pass

    async def _sweep_batch(self) -> int:
        async with self._db.system_transaction() as transaction:
            return await delete_expired(transaction, _EXPIRY_ROWS)
