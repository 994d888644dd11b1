"""Backup and restore with the commands of docs/operations.md."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from stagely.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    cloud_provider_pb2,
    cloud_provider_pb2_grpc,
    project_pb2,
    project_pb2_grpc,
    secret_pb2,
    secret_pb2_grpc,
    team_pb2,
    team_pb2_grpc,
)
from stagely_rpc.embedded import postgres as embedded
from tests.support.audit import verify
from tests.support.eventually import eventually
from tests.support.rpc import connected, running_server
from tests.support.secret_markers import marked_secret

if TYPE_CHECKING:
    import grpc

    from stagely.v1.audit_pb2 import ChainPlace

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
BLOCK = re.compile(r"<!-- backup: .* -->\n```sh\n(?P<lines>.*?)```", re.DOTALL)
VALUES = {f"SECRET_{number}": marked_secret(f"backup-{number}").encode() for number in range(3)}
CREDENTIALS = {"token": marked_secret("backup-credentials")}


async def make_team(channel: grpc.aio.Channel) -> tuple[str, str, str]:
    """Create a team with secrets and credentials. Return the ids of the team, the project and the cloud provider."""
    teams, projects = team_pb2_grpc.TeamServiceStub(channel), project_pb2_grpc.ProjectServiceStub(channel)
    team = (await teams.CreateTeam(team_pb2.CreateTeamRequest(slug="web", name="Web"))).team
    wanted = project_pb2.CreateProjectRequest(
        team_id=team.id, slug="shop", name="Shop", repo_url="https://example.com/a/b"
    )
    project = (await projects.CreateProject(wanted)).project
    account = cloud_provider_pb2.CreateCloudProviderRequest(
        team_id=team.id, name="cloud", provider_type=cloud_provider_pb2.CLOUD_PROVIDER_TYPE_HETZNER
    )
    account.credentials.update(CREDENTIALS)
    provider = (
        await cloud_provider_pb2_grpc.CloudProviderServiceStub(channel).CreateCloudProvider(account)
    ).cloud_provider
    secrets = secret_pb2_grpc.SecretServiceStub(channel)
    for key, value in VALUES.items():
        await secrets.SetSecret(secret_pb2.SetSecretRequest(project_id=project.id, key=key, value=value))
    return team.id, project.id, provider.id


async def sealed_head(channel: grpc.aio.Channel, team_id: str) -> ChainPlace:
    """Wait until all entries of a team are sealed. Return the head of its chain."""
    audit = audit_pb2_grpc.AuditServiceStub(channel)

    async def unsealed() -> int:
        return (await verify(audit, team_id)).verdict.unsealed_count

    await eventually(unsealed, 0, seconds=30)
    return (await verify(audit, team_id)).verdict.head


async def back_up_and_restore(url: str, restored_url: str, directory: Path) -> str:
    """Run the commands of the page, and return their output."""
    programs = embedded._find_install() / "bin"
    block = BLOCK.search(PAGE.read_text())
    assert block is not None
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-euo",
        "pipefail",
        "-c",
        block["lines"],
        cwd=directory,
        env={"PATH": path, "DATABASE_URL": url, "RESTORED_DATABASE_URL": restored_url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_restored_database_has_every_secret_and_an_intact_audit_chain(
    fresh_database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    async with running_server(fresh_database_url) as server, connected(server) as channel:
        team_id, project_id, provider_id = await make_team(channel)
        anchor = await sealed_head(channel, team_id)

        output = await back_up_and_restore(fresh_database_url, empty_database_url, tmp_path)

    assert "(needed: " in output
    async with running_server(empty_database_url) as server, connected(server) as channel:
        secrets = secret_pb2_grpc.SecretServiceStub(channel)
        resolved = await secrets.ResolveSecrets(secret_pb2.ResolveSecretsRequest(project_id=project_id))
        account = await cloud_provider_pb2_grpc.CloudProviderServiceStub(channel).AccessCloudProviderCredentials(
            cloud_provider_pb2.AccessCloudProviderCredentialsRequest(id=provider_id)
        )
        found = await verify(audit_pb2_grpc.AuditServiceStub(channel), team_id, anchor)

    assert {secret.key: secret.value for secret in resolved.secrets} == VALUES
    assert dict(account.credentials) == CREDENTIALS
    assert found.fault is None
    assert found.verdict.head.position >= anchor.position > len(VALUES)


async def test_restored_chain_does_not_contain_a_later_head(
    fresh_database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    async with running_server(fresh_database_url) as server, connected(server) as channel:
        team_id, _, _ = await make_team(channel)
        await sealed_head(channel, team_id)
        await back_up_and_restore(fresh_database_url, empty_database_url, tmp_path)
        await team_pb2_grpc.TeamServiceStub(channel).UpdateTeam(team_pb2.UpdateTeamRequest(id=team_id, name="Shop"))
        later = await sealed_head(channel, team_id)

    async with running_server(empty_database_url) as server, connected(server) as channel:
        found = await verify(audit_pb2_grpc.AuditServiceStub(channel), team_id, later)

    assert found.verdict.fault.kind == audit_pb2.AUDIT_FAULT_KIND_CUT_OFF


async def test_restored_audit_log_is_append_only(
    fresh_database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    await back_up_and_restore(fresh_database_url, empty_database_url, tmp_path)

    async with await psycopg.AsyncConnection.connect(empty_database_url) as connection:
        with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
            await connection.execute("DELETE FROM audit_logs")
