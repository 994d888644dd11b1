from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest

from tests.support.environments import (
    get_environment,
    insert_environment,
    make_environment,
    terminate,
)
from tests.support.refusals import refused
from tests.support.statements import statements

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagely.v1.environment_pb2_grpc import EnvironmentServiceAsyncStub

UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize("spelling", [str.lower, str.upper])
async def test_environment_is_found_by_its_subdomain(
    environments: EnvironmentServiceAsyncStub, project_id: str, spelling: Callable[[str], str]
) -> None:
    made = await make_environment(environments, project_id, pr_number=4)

    assert await get_environment(environments, subdomain_hash=spelling(made.subdomain_hash)) == made


async def test_terminated_environment_is_found_by_id_and_subdomain(
    environments: EnvironmentServiceAsyncStub, project_id: str
) -> None:
    terminated = await terminate(environments, (await make_environment(environments, project_id, pr_number=4)).id)

    assert await get_environment(environments, id=terminated.id) == terminated
    assert await get_environment(environments, subdomain_hash=terminated.subdomain_hash) == terminated


async def test_open_environment_is_found_by_its_pull_request(
    environments: EnvironmentServiceAsyncStub, database_url: str, project_id: str
) -> None:
    await insert_environment(database_url, project_id, "terminated", pr_number=4)
    open_id = await insert_environment(database_url, project_id, "failed", pr_number=4)
    await insert_environment(database_url, project_id, "reaped", pr_number=4)
    await insert_environment(database_url, project_id, "ready", pr_number=5)

    found = await get_environment(environments, pull_request={"project_id": project_id, "pr_number": 4})

    assert found.id == open_id


async def test_pull_request_without_an_open_environment_is_not_found(
    environments: EnvironmentServiceAsyncStub, database_url: str, project_id: str
) -> None:
    await insert_environment(database_url, project_id, "terminated", pr_number=4)

    with refused(grpc.StatusCode.NOT_FOUND) as refusal:
        await get_environment(environments, pull_request={"project_id": project_id, "pr_number": 4})

    assert refusal.details["ResourceInfo"].resource_name == f"{project_id}/4"


async def test_get_takes_one_statement(
    environments: EnvironmentServiceAsyncStub, monkeypatch: pytest.MonkeyPatch, project_id: str
) -> None:
    made = await make_environment(environments, project_id, pr_number=4)

    with statements(monkeypatch) as executed:
        await get_environment(environments, id=made.id)
        await get_environment(environments, subdomain_hash=made.subdomain_hash)
        await get_environment(environments, pull_request={"project_id": project_id, "pr_number": 4})

    assert len(executed) == 3


@pytest.mark.parametrize("key", [{"id": UNKNOWN_ID}, {"subdomain_hash": "env-nobody"}])
async def test_unknown_environment_is_not_found(environments: EnvironmentServiceAsyncStub, key: dict[str, str]) -> None:
    with refused(grpc.StatusCode.NOT_FOUND) as refusal:
        await get_environment(environments, **key)

    assert refusal.details["ResourceInfo"].resource_type == "stagely.v1.Environment"
    assert refusal.details["ResourceInfo"].resource_name == next(iter(key.values()))
