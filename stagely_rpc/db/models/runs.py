"""Workflow runs, their build jobs and log lines."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from stagely_rpc.db.models.base import Base, Id, Now, RowVersion, UpdatedAt


class WorkflowRun(Base):
    """One run of an environment's build, deploy and test pipeline."""

    __tablename__ = "workflow_runs"
    __table_args__ = (
        CheckConstraint(
            "trigger IN ('pr_opened', 'pr_synchronized', 'manual_rebuild', 'secret_updated')", name="valid_trigger"
        ),
        CheckConstraint(
            "status IN ('pending', 'building', 'deploying', 'testing', 'completed', 'failed', 'cancelled')",
            name="valid_status",
        ),
        CheckConstraint("result IN ('success', 'failure', 'cancelled') OR result IS NULL", name="valid_result"),
        Index("idx_workflow_runs_env", "environment_id"),
        Index("idx_workflow_runs_status", "status"),
        Index("idx_workflow_runs_created", text("created_at DESC")),
        {"comment": "Build/deploy/test pipeline execution tracking"},
    )

    id: Mapped[Id]
    environment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("environments.id", ondelete="CASCADE"))
    trigger: Mapped[str] = mapped_column(String(50))
    triggered_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    status: Mapped[str] = mapped_column(String(20), server_default="pending")
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    duration_seconds: Mapped[int | None]
    result: Mapped[str | None] = mapped_column(String(20))
    error_message: Mapped[str | None]
    created_at: Mapped[Now]
    updated_at: Mapped[UpdatedAt]
    row_version: Mapped[RowVersion]


class BuildJob(Base):
    """The build of one image for one architecture in a workflow run."""

    __tablename__ = "build_jobs"
    __table_args__ = (
        CheckConstraint("architecture IN ('amd64', 'arm64', 'multi')", name="valid_architecture"),
        CheckConstraint(
            "status IN ('queued', 'provisioning', 'running', 'completed', 'failed', 'cancelled')", name="valid_status"
        ),
        Index("idx_build_jobs_workflow", "workflow_run_id"),
        Index("idx_build_jobs_status", "status"),
        Index("idx_build_jobs_queued", "queued_at", postgresql_where=text("status = 'queued'")),
        Index("idx_build_jobs_status_queued", "status", "queued_at", postgresql_where=text("status = 'queued'")),
        {"comment": "Individual build tasks (one per build target per architecture)"},
    )

    id: Mapped[Id]
    workflow_run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("workflow_runs.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(100))
    architecture: Mapped[str] = mapped_column(String(20))
    context_path: Mapped[str | None] = mapped_column(String(500))
    dockerfile_path: Mapped[str | None] = mapped_column(String(500))
    vm_id: Mapped[str | None] = mapped_column(String(255))
    cloud_provider_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("cloud_providers.id", ondelete="SET NULL"))
    machine_size: Mapped[str | None] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(20), server_default="queued")
    queued_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    duration_seconds: Mapped[int | None]
    artifact_url: Mapped[str | None] = mapped_column(comment="Docker registry URL: registry.internal/proj/env:tag")
    exit_code: Mapped[int | None]
    error_message: Mapped[str | None]
    created_at: Mapped[Now]
    updated_at: Mapped[UpdatedAt]
    row_version: Mapped[RowVersion]


class BuildLog(Base):
    """A line of a build job's output. Immutable, so it has no version."""

    __tablename__ = "build_logs"
    __table_args__ = (
        CheckConstraint("stream IN ('stdout', 'stderr')", name="valid_stream"),
        Index("idx_build_logs_job", "build_job_id", "timestamp"),
        {"comment": "Real-time build output (streamed via Agent WebSocket)"},
    )

    id: Mapped[Id]
    build_job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("build_jobs.id", ondelete="CASCADE"))
    timestamp: Mapped[Now]
    stream: Mapped[str] = mapped_column(String(10))
    line: Mapped[str]
