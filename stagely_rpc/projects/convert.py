"""Converts rows of projects to messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely.v1 import project_pb2
from stagely_rpc.db.etag import etag_of
from stagely_rpc.wire.values import enum_numbers, to_struct, to_timestamp

if TYPE_CHECKING:
    from stagely_rpc.db.models.rows import ProjectRow

PROVIDER_TO_PROTO = enum_numbers(project_pb2.RepoProvider)
SIZE_TO_PROTO = enum_numbers(project_pb2.PreviewSize)


def project_to_proto(project: ProjectRow) -> project_pb2.Project:
    """Return the message for a project."""
    return project_pb2.Project(
        id=str(project.id),
        team_id=str(project.team_id),
        slug=project.slug,
        name=project.name,
        repo_url=project.repo_url,
        repo_provider=PROVIDER_TO_PROTO[project.repo_provider],
        default_branch=project.default_branch,
        cloud_provider_id=str(project.cloud_provider_id) if project.cloud_provider_id else None,
        default_preview_size=SIZE_TO_PROTO[project.default_preview_size],
        config=to_struct(project.config),
        is_active=project.is_active,
        created_at=to_timestamp(project.created_at),
        updated_at=to_timestamp(project.updated_at),
        etag=etag_of(project),
    )
