"""Answers that are kept with their effects, so that a repeated request has its effect once (AIP-155).

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

from stagely_rpc.db.models import IdempotencyKey
from stagely_rpc.errors import AbortedError, InvalidArgumentError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from stagely_rpc.call import Repeatable
    from stagely_rpc.db.session import WriteSession

_NONCE_BYTES = 12
_ATTEMPTS = 3

_CALLER, _REQUEST_ID = IdempotencyKey.caller, IdempotencyKey.request_id
_EXPIRY = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, bindparam("ttl_seconds"))
_NEW = insert(IdempotencyKey).values(caller=bindparam("by"), request_id=bindparam("id"), expires_at=_EXPIRY)
_CLAIM = _NEW.on_conflict_do_update(
    index_elements=[_CALLER, _REQUEST_ID],
    set_={"expires_at": _NEW.excluded.expires_at, "sealed_answer": None},
    where=IdempotencyKey.expires_at <= func.now(),
).returning(literal(1))
_IS_KEY = (bindparam("by") == _CALLER, bindparam("id") == _REQUEST_ID)
_STORED = select(IdempotencyKey.sealed_answer).where(*_IS_KEY)
_KEEP = update(IdempotencyKey).where(*_IS_KEY).values(sealed_answer=bindparam("sealed"))


class AnsweredBeforeError(Exception):
    """The request was answered before. It is no error: it ends the transaction, and carries the answer.

    Attributes:
        answer: the serialized response.
    """

    def __init__(self, answer: bytes) -> None:
        super().__init__("the request was answered before")
        self.answer = answer


class Answers:
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

    async def claim(self, session: WriteSession) -> None:
        """Make sure that the session's transaction is the only one to have the effect of its request.

        Raises:
            AnsweredBeforeError: the request was answered before.
            InvalidArgumentError: its id was another request's.
        """
        repeatable = session.call.repeatable
        if repeatable is None:
            return
        key = self._place(session)
        for _ in range(_ATTEMPTS):
            if await session.scalar(_CLAIM, {**key, "ttl_seconds": self._ttl_seconds}):
                return
            sealed = await session.scalar(_STORED, key)
            if sealed is not None:
                raise AnsweredBeforeError(self._open(session, repeatable, sealed))
        raise AbortedError("the answer of this request_id expired at the same time: retry")

    async def keep(self, session: WriteSession) -> None:
        """Keep the session's answer."""
        repeatable = session.call.repeatable
        if repeatable is None or session.serialized_answer is None:
            return
        cipher, nonce = self._cipher(session), secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + cipher.encrypt(nonce, repeatable.fingerprint + session.serialized_answer, None)
        await session.execute(_KEEP, {**self._place(session), "sealed": sealed})

    def _place(self, session: WriteSession) -> dict[str, Any]:
        assert session.call.repeatable is not None
        return {"by": session.call.caller.service, "id": session.call.repeatable.request_id}

    def _cipher(self, session: WriteSession) -> AESGCM:
        place = self._place(session)
        return AESGCM(hmac.digest(self._key, place["id"].bytes + place["by"].encode(), "sha256"))

    def _open(self, session: WriteSession, repeatable: Repeatable, sealed: bytes) -> bytes:
        try:
            kept = self._cipher(session).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        except InvalidTag:
            # Kept under another ENCRYPTION_KEY, or changed: what it was is not known, and may not be done twice.
            raise AbortedError(
                "the request was answered before, and its answer can't be read any more", reason="ANSWER_UNREADABLE"
            ) from None
        fingerprint, answer = kept[: len(repeatable.fingerprint)], kept[len(repeatable.fingerprint) :]
        if fingerprint != repeatable.fingerprint:
            raise InvalidArgumentError.of(
                "request_id", "was used for another request: make a new one", reason="REQUEST_ID_REUSED"
            )
        return answer


async def delete_expired(session: AsyncSession, limit: int) -> int:
    """Delete answers that have been kept for long enough, at most so many; return how many there were."""
    expired = (
        select(_CALLER, _REQUEST_ID)
        .where(IdempotencyKey.expires_at <= func.now())
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    statement = delete(IdempotencyKey).where(tuple_(_CALLER, _REQUEST_ID).in_(expired))
    result = cast(
        "CursorResult[Any]", await session.execute(statement, execution_options={"synchronize_session": False})
    )
    return result.rowcount
