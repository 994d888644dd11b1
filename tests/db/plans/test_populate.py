from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from benchmarks.populate import populate
from benchmarks.sizes import Sizes
from stagely.v1 import audit_pb2, audit_pb2_grpc, environment_pb2, environment_pb2_grpc, secret_pb2, secret_pb2_grpc
from tests.support.environments import number_of
from tests.support.rpc import ENCRYPTION_KEY, connected, running_server
from tests.support.schema.catalog import tables_of, triggers_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import grpc

    from benchmarks.populate import Dataset
    from tests.support.postgres import PostgresServer

SIZES = Sizes().scaled(0.0001)

_OVER_QUOTA = """
    SELECT teams.slug FROM teams JOIN projects ON team_id = teams.id JOIN environments ON project_id = projects.id
    WHERE status IN ('pending', 'building', 'deploying', 'ready')
    GROUP BY teams.id HAVING count(*) > max_concurrent_stagelets
"""


@pytest.fixture(scope="module")
def filled(postgres_server: PostgresServer, template_database: str) -> Iterator[tuple[str, Dataset]]:
    """A small populated database for the tests of this module, which change it, and its dataset."""
    url = postgres_server.create_database(template_database)
    yield url, populate(url, SIZES, encryption_key=bytes.fromhex(ENCRYPTION_KEY))
    postgres_server.drop_database(url)


@pytest.fixture(scope="module")
def url(filled: tuple[str, Dataset]) -> str:
    return filled[0]


@pytest.fixture(scope="module")
def dataset(filled: tuple[str, Dataset]) -> Dataset:
    return filled[1]


@pytest.fixture(scope="module")
async def channel(url: str) -> AsyncIterator[grpc.aio.Channel]:
    async with running_server(url) as server, connected(server) as channel:
        yield channel


def test_populating_does_not_change_the_schema(fresh_database_url: str, url: str) -> None:
    with psycopg.connect(fresh_database_url) as fresh, psycopg.connect(url) as filled:
        assert tables_of(filled) == tables_of(fresh)
        assert triggers_of(filled) == triggers_of(fresh)


def test_failure_changes_nothing(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        before = tables_of(connection), connection.execute("SELECT count(*) FROM teams").fetchone()

        with pytest.raises(psycopg.errors.UniqueViolation):
            populate(url, SIZES, encryption_key=bytes(32))

        assert (tables_of(connection), connection.execute("SELECT count(*) FROM teams").fetchone()) == before


@pytest.mark.parametrize("table", ["teams", "users", "projects", "environments", "secrets"])
def test_tables_have_their_sizes(url: str, table: str) -> None:
    with psycopg.connect(url) as connection:
        counted = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()

    assert counted == (getattr(SIZES, table),)


def test_no_team_is_over_its_quota(url: str) -> None:
    with psycopg.connect(url) as connection:
        assert connection.execute(_OVER_QUOTA).fetchall() == []


async def test_secrets_decrypt(channel: grpc.aio.Channel, dataset: Dataset) -> None:
    secrets = secret_pb2_grpc.SecretServiceStub(channel)

    accessed = await secrets.AccessSecret(secret_pb2.AccessSecretRequest(id=dataset.secret_id))
    resolved = await secrets.ResolveSecrets(
        secret_pb2.ResolveSecretsRequest(project_id=dataset.resolved_project_id, scope=dataset.resolved_scope)
    )

    assert accessed.value == b"postgresql://app@database/app"
    assert {secret.value for secret in resolved.secrets} == {accessed.value}
    assert len(resolved.secrets) == 100


async def test_ready_environments_can_be_transitioned(channel: grpc.aio.Channel, dataset: Dataset) -> None:
    environments = environment_pb2_grpc.EnvironmentServiceStub(channel)

    for environment_id in dataset.ready_environment_ids[:3]:
        answer = await environments.TransitionEnvironment(
            environment_pb2.TransitionEnvironmentRequest(id=environment_id, status=number_of("building"))
        )
        assert answer.environment.status == number_of("building")


async def test_populated_audit_log_is_reported_as_inserted(channel: grpc.aio.Channel, dataset: Dataset) -> None:
    audit = audit_pb2_grpc.AuditServiceStub(channel)

    steps = [step async for step in audit.VerifyAuditLog(audit_pb2.VerifyAuditLogRequest(team_id=dataset.team_id))]

    assert steps[-1].verdict.fault.kind == audit_pb2.AUDIT_FAULT_KIND_INSERTED
