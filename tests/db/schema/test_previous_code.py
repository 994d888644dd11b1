"""The previous code (N-1) works on the newest schema, as during a rollout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

from stagely.v1 import (
    environment_pb2,
    environment_pb2_grpc,
    project_pb2,
    project_pb2_grpc,
    secret_pb2,
    secret_pb2_grpc,
    team_pb2,
    team_pb2_grpc,
)
from stagely_rpc.db.schema import migrations
from tests.support.processes.service import ROOT, serving, settings_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.processes.service import Running


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def previous_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code from before the newest revision of the schema."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("there is no git history")
    newest = f"migrations/versions/{migrations.head_revision()}_*.py"
    before = git("log", "--diff-filter=A", "--format=%P", "--", newest)
    if not before:
        pytest.skip("the git history does not contain the newest revision")
    directory = tmp_path_factory.mktemp("previous")
    archive = directory / "code.tar"
    git("archive", f"--output={archive}", before, "stagely_rpc", "gen", "migrations")
    shutil.unpack_archive(archive, directory, filter="data")
    return directory


@pytest.fixture(scope="module")
def previous_server(previous_code: Path, database_url: str) -> Iterator[Running]:
    env = settings_for(database_url, PYTHONPATH=f"{previous_code}:{previous_code / 'gen'}")
    with serving(["-m", "stagely_rpc", "serve"], env, cwd=previous_code, program=Path(sys.executable)) as running:
        yield running


def test_previous_code_reads_and_writes_the_newest_schema(previous_server: Running, previous_code: Path) -> None:
    newest = max(path.name[:3] for path in (previous_code / "migrations" / "versions").glob("0*.py"))
    assert newest < migrations.head_revision()

    name = f"n-{uuid.uuid4().hex[:12]}"
    with grpc.insecure_channel(previous_server.address) as channel:
        teams = team_pb2_grpc.TeamServiceStub(channel)
        environments = environment_pb2_grpc.EnvironmentServiceStub(channel)
        secrets = secret_pb2_grpc.SecretServiceStub(channel)
        request_id = str(uuid.uuid4())
        request = team_pb2.CreateTeamRequest(slug=name, name=name, request_id=request_id)
        team = teams.CreateTeam(request, timeout=20).team
        assert teams.CreateTeam(request, timeout=20).team == team
        project = (
            project_pb2_grpc.ProjectServiceStub(channel)
            .CreateProject(
                project_pb2.CreateProjectRequest(
                    team_id=team.id, slug=name, name=name, repo_url="https://git.example/shop.git"
                ),
                timeout=20,
            )
            .project
        )
        environment = environments.EnsureEnvironment(
            environment_pb2.EnsureEnvironmentRequest(
                project_id=project.id, pr_number=7, branch_name="main", commit_hash="c0ffee1"
            ),
            timeout=20,
        ).environment
        environments.TransitionEnvironment(
            environment_pb2.TransitionEnvironmentRequest(
                id=environment.id, status=environment_pb2.ENVIRONMENT_STATUS_BUILDING
            ),
            timeout=20,
        )
        listed = environments.ListEnvironments(
            environment_pb2.ListEnvironmentsRequest(project_id=project.id), timeout=20
        ).environments
        secrets.SetSecret(
            secret_pb2.SetSecretRequest(project_id=project.id, key="TOKEN", value=b"of an older version"), timeout=20
        )
        found = secrets.AccessSecret(
            secret_pb2.AccessSecretRequest(name=secret_pb2.SecretName(project_id=project.id, key="TOKEN")), timeout=20
        )

    assert [each.id for each in listed] == [environment.id]
    assert found.value == b"of an older version"
