"""Internal tables of the service."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import (
    Index,
    String,
    Uuid,
)
from sqlalchemy.orm import Mapped, mapped_column

from stagely_rpc.db.models.base import Base


class IdempotencyKey(Base):
    """An idempotent request with its encrypted response. Written in the transaction of the request."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        Index("idx_idempotency_keys_expires", "expires_at"),
        {"comment": "Requests that were answered, so that a repetition gets the same answer (AIP-155)"},
    )

    caller: Mapped[str] = mapped_column(String(255), primary_key=True, comment="Identity of the calling service")
    request_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    sealed_answer: Mapped[bytes | None] = mapped_column(
        comment="AES-256-GCM of fingerprint and answer; NULL only while the request is worked on"
    )
    expires_at: Mapped[datetime]
