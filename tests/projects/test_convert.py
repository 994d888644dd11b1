from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from stagely.v1 import project_pb2
from stagely_rpc.db.etag import etag_of
from stagely_rpc.db.models.rows import ProjectRow
from stagely_rpc.projects.convert import project_to_proto
from stagely_rpc.wire.values import to_struct, to_timestamp
from tests.support.rows import row_of

CREATED = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def project_row(**overrides: object) -> ProjectRow:
    given = {
        "id": uuid.uuid4(),
        "team_id": uuid.uuid4(),
        "slug": "web",
        "name": "Web",
        "repo_url": "https://github.com/acme/web",
        "repo_provider": "github",
        "default_branch": "main",
        "default_preview_size": "medium",
        "config": {},
        "is_active": True,
        "created_at": CREATED,
        "updated_at": CREATED,
        "row_version": 1,
    }
    return row_of(ProjectRow, **given | overrides)


def test_every_column_is_in_the_message() -> None:
    config = {"a": [1, 2.5, None, True, {"b": "ü"}]}
    project = project_row(cloud_provider_id=uuid.uuid4(), config=config, is_active=False)

    assert project_to_proto(project) == project_pb2.Project(
        id=str(project.id),
        team_id=str(project.team_id),
        slug="web",
        name="Web",
        repo_url="https://github.com/acme/web",
        repo_provider=project_pb2.REPO_PROVIDER_GITHUB,
        default_branch="main",
        cloud_provider_id=str(project.cloud_provider_id),
        default_preview_size=project_pb2.PREVIEW_SIZE_MEDIUM,
        config=to_struct(config),
        is_active=False,
        created_at=to_timestamp(CREATED),
        updated_at=to_timestamp(CREATED),
        etag=etag_of(project),
    )


def test_null_cloud_provider_is_an_unset_field() -> None:
    assert not project_to_proto(project_row()).HasField("cloud_provider_id")


def test_empty_config_is_an_empty_object() -> None:
    assert project_to_proto(project_row()).HasField("config")


@pytest.mark.parametrize(
    ("stored", "number"),
    [
        ("github", project_pb2.REPO_PROVIDER_GITHUB),
        ("gitlab", project_pb2.REPO_PROVIDER_GITLAB),
        ("bitbucket", project_pb2.REPO_PROVIDER_BITBUCKET),
    ],
)
def test_each_repo_provider_maps_to_its_enum_value(stored: str, number: project_pb2.RepoProvider.ValueType) -> None:
    assert project_to_proto(project_row(repo_provider=stored)).repo_provider == number


@pytest.mark.parametrize(
    ("stored", "number"),
    [
        ("small", project_pb2.PREVIEW_SIZE_SMALL),
        ("medium", project_pb2.PREVIEW_SIZE_MEDIUM),
        ("large", project_pb2.PREVIEW_SIZE_LARGE),
        ("xlarge", project_pb2.PREVIEW_SIZE_XLARGE),
    ],
)
def test_each_size_maps_to_its_enum_value(stored: str, number: project_pb2.PreviewSize.ValueType) -> None:
    assert project_to_proto(project_row(default_preview_size=stored)).default_preview_size == number
