"""Secrets, and the data keys that encrypt them."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from stagely_rpc.db.models.base import NEWEST_FIRST, SENSITIVE, Base, Id, Now, RowVersion, UpdatedAt


class Secret(Base):
    """An encrypted value of a project. Its key is unique in its scope."""

    __tablename__ = "secrets"
    __table_args__ = (
        UniqueConstraint("project_id", "key", "scope", name="unique_secret_per_scope"),
        CheckConstraint("scope = 'global' OR scope ~ '^[a-zA-Z0-9_-]+$'", name="valid_scope"),
        CheckConstraint("secret_type IN ('env', 'file')", name="valid_type"),
        Index("idx_secrets_project", "project_id"),
        Index("idx_secrets_project_scope", "project_id", "scope"),
        Index("idx_secrets_project_list", "project_id", *NEWEST_FIRST),
        {"comment": "Encrypted secrets injected into environments"},
    )

    id: Mapped[Id]
    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(255))
    encrypted_value: Mapped[str] = mapped_column(comment="AES-256-GCM encrypted", info=SENSITIVE)
    scope: Mapped[str] = mapped_column(
        String(50), server_default="global", comment='"global" or service name (e.g., "backend", "frontend")'
    )
    secret_type: Mapped[str] = mapped_column(String(20), server_default="env")
    file_path: Mapped[str | None]
    file_permissions: Mapped[str | None] = mapped_column(String(4))
    created_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[Now]
    updated_at: Mapped[UpdatedAt]
    row_version: Mapped[RowVersion]


class DataKey(Base):
    """An encrypted data key of a team. At most one is active."""

    __tablename__ = "data_keys"
    __table_args__ = (
        Index("unique_active_data_key_per_team", "team_id", unique=True, postgresql_where=text("retired_at IS NULL")),
        Index("idx_data_keys_team", "team_id"),
        Index("idx_data_keys_key_encryption_key", "key_encryption_key_id"),
        {"comment": "AES-256-GCM data keys, one active per team, each encrypted by the key-encryption key"},
    )

    id: Mapped[Id]
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    key_encryption_key_id: Mapped[str] = mapped_column(
        String(32), comment="Which key-encryption key encrypts wrapped_key"
    )
    wrapped_key: Mapped[str] = mapped_column(comment="The data key, AES-256-GCM encrypted by the key-encryption key")
    created_at: Mapped[Now]
    retired_at: Mapped[datetime | None] = mapped_column(
        comment="Since when it encrypts nothing new; it still decrypts what it encrypted"
    )
