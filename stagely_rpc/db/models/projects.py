"""Projects and cloud accounts."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from stagely_rpc.db.models.base import (
    EMPTY_OBJECT,
    NEWEST_FIRST,
    SENSITIVE,
    SLUG_CHECK,
    TRUE,
    Base,
    Id,
    Now,
    RowVersion,
    UpdatedAt,
)


class Project(Base):
    """A git repository of a team. Its slug is unique in the team."""

    __tablename__ = "projects"
    __table_args__ = (
        UniqueConstraint("team_id", "slug", name="unique_project_slug"),
        CheckConstraint(SLUG_CHECK, name="valid_slug"),
        CheckConstraint("repo_provider IN ('github', 'gitlab', 'bitbucket')", name="valid_provider"),
        CheckConstraint("default_preview_size IN ('small', 'medium', 'large', 'xlarge')", name="valid_size"),
        Index("idx_projects_team", "team_id"),
        Index("idx_projects_slug", "team_id", "slug"),
        Index("idx_projects_repo", "repo_url"),
        Index("idx_projects_team_list", "team_id", *NEWEST_FIRST),
        Index("idx_projects_cloud_provider_list", "cloud_provider_id", *NEWEST_FIRST),
        Index("idx_projects_list", *NEWEST_FIRST),
        {"comment": "Git repositories configured for preview environments"},
    )

    id: Mapped[Id]
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    slug: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(255))
    repo_url: Mapped[str]
    repo_provider: Mapped[str] = mapped_column(String(50), server_default="github")
    default_branch: Mapped[str] = mapped_column(String(100), server_default="main")
    cloud_provider_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("cloud_providers.id", name="fk_projects_cloud_provider", ondelete="SET NULL")
    )
    default_preview_size: Mapped[str] = mapped_column(String(20), server_default="medium")
    config: Mapped[dict[str, Any]] = mapped_column(
        server_default=EMPTY_OBJECT, comment="Project-specific settings (JSON)"
    )
    is_active: Mapped[bool] = mapped_column(server_default=TRUE)
    created_at: Mapped[Now]
    updated_at: Mapped[UpdatedAt]
    row_version: Mapped[RowVersion]


class CloudProvider(Base):
    """A cloud account of a team. Its name is unique in the team."""

    __tablename__ = "cloud_providers"
    __table_args__ = (
        UniqueConstraint("team_id", "name", name="unique_provider_name"),
        CheckConstraint("provider_type IN ('aws', 'gcp', 'digitalocean', 'hetzner', 'linode')", name="valid_provider"),
        Index("idx_cloud_providers_team", "team_id"),
        Index("idx_cloud_providers_team_list", "team_id", *NEWEST_FIRST),
        Index("idx_cloud_providers_list", *NEWEST_FIRST),
        {"comment": "User-managed cloud provider credentials (BYO Cloud model)"},
    )

    id: Mapped[Id]
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(100))
    provider_type: Mapped[str] = mapped_column(String(50))
    encrypted_credentials: Mapped[str] = mapped_column(
        comment="AES-256-GCM encrypted JSON of API keys/tokens", info=SENSITIVE
    )
    region: Mapped[str | None] = mapped_column(String(50))
    config: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    is_active: Mapped[bool] = mapped_column(server_default=TRUE)
    last_validated_at: Mapped[datetime | None]
    validation_error: Mapped[str | None]
    created_at: Mapped[Now]
    updated_at: Mapped[UpdatedAt]
    row_version: Mapped[RowVersion]
