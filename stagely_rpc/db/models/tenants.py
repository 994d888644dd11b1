"""Teams, users and memberships."""

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

from stagely_rpc.db.models.base import FALSE, NEWEST_FIRST, SLUG_CHECK, TRUE, Base, Id, Now, RowVersion, UpdatedAt


class Team(Base):
    """A tenant. With `deleted_at` it is soft-deleted, and its slug stays taken."""

    __tablename__ = "teams"
    __table_args__ = (
        CheckConstraint(SLUG_CHECK, name="valid_slug"),
        CheckConstraint("billing_plan IN ('free', 'pro', 'enterprise')", name="valid_plan"),
        Index("idx_teams_slug", "slug"),
        Index("idx_teams_deleted", "deleted_at", postgresql_where=text("deleted_at IS NULL")),
        Index("idx_teams_list", *NEWEST_FIRST),
        {"comment": "Top-level tenant. Users belong to teams."},
    )

    id: Mapped[Id]
    slug: Mapped[str] = mapped_column(String(100), unique=True, comment='URL-safe identifier (e.g., "acme-corp")')
    name: Mapped[str] = mapped_column(String(255))
    billing_email: Mapped[str | None] = mapped_column(String(255))
    billing_plan: Mapped[str] = mapped_column(String(50), server_default="free")
    max_concurrent_stagelets: Mapped[int] = mapped_column(
        server_default=text("5"), comment="Quota: max active preview environments"
    )
    max_concurrent_builds: Mapped[int] = mapped_column(server_default=text("10"))
    created_at: Mapped[Now]
    updated_at: Mapped[UpdatedAt]
    deleted_at: Mapped[datetime | None]
    row_version: Mapped[RowVersion]


class User(Base):
    """An account, identified by GitHub id, Google id or e-mail address."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint(r"email ~ '^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$'", name="valid_email"),
        Index("idx_users_email", "email"),
        Index("idx_users_github", "github_id"),
        Index("idx_users_google", "google_id"),
        Index("idx_users_list", *NEWEST_FIRST),
        {"comment": "User accounts (authentication via OAuth)"},
    )

    id: Mapped[Id]
    email: Mapped[str] = mapped_column(String(255), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    avatar_url: Mapped[str | None]
    github_id: Mapped[str | None] = mapped_column(String(100), unique=True)
    google_id: Mapped[str | None] = mapped_column(String(100), unique=True)
    is_active: Mapped[bool] = mapped_column(server_default=TRUE)
    email_verified: Mapped[bool] = mapped_column(server_default=FALSE)
    created_at: Mapped[Now]
    updated_at: Mapped[UpdatedAt]
    last_login_at: Mapped[datetime | None]
    row_version: Mapped[RowVersion]


class TeamMember(Base):
    """A membership: a user's role in a team. It has no `updated_at`."""

    __tablename__ = "team_members"
    __table_args__ = (
        UniqueConstraint("team_id", "user_id", name="unique_team_user"),
        CheckConstraint("role IN ('owner', 'admin', 'member', 'viewer')", name="valid_role"),
        Index("idx_team_members_team", "team_id"),
        Index("idx_team_members_user", "user_id"),
        Index("idx_team_members_composite", "user_id", "team_id", "role"),
        Index("idx_team_members_team_list", "team_id", *NEWEST_FIRST),
        {"comment": "User membership in teams with role-based access control"},
    )

    id: Mapped[Id]
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    role: Mapped[str] = mapped_column(
        String(50), server_default="member", comment="owner=full control, admin=manage, member=create, viewer=read-only"
    )
    created_at: Mapped[Now]
    row_version: Mapped[RowVersion]
