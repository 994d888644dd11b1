from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest

from stagely.v1 import environment_pb2
from tests.support.environments import COMMIT, ensure, get_environment, make_environment
from tests.support.refusals import refused

if TYPE_CHECKING:
    from stagely.v1.environment_pb2_grpc import EnvironmentServiceAsyncStub

INVALID = [
    ("project_id", ""),
    ("project_id", "4f9c2e3a"),
    ("pr_number", 0),
    ("pr_number", -1),
    ("pr_number", -(2**31)),
    ("branch_name", ""),
    ("branch_name", "b" * 256),
    ("branch_name", "/main"),
    ("branch_name", "main/"),
    ("branch_name", "a//b"),
    ("branch_name", "a..b"),
    ("branch_name", "a/.b"),
    ("branch_name", ".a"),
    ("branch_name", "a."),
    ("branch_name", "a.lock"),
    ("branch_name", "a.lock/b"),
    ("branch_name", "-a"),
    ("branch_name", "a b"),
    ("branch_name", "a~1"),
    ("branch_name", "a^"),
    ("branch_name", "a:b"),
    ("branch_name", "a?"),
    ("branch_name", "a*"),
    ("branch_name", "a[b"),
    ("branch_name", "a\\b"),
    ("branch_name", "a@{b"),
    ("branch_name", "@"),
    ("branch_name", "a\tb"),
    ("branch_name", "a\0b"),
    ("branch_name", "a\u0085b"),
    ("branch_name", "main\n"),
    ("commit_hash", ""),
    ("commit_hash", "a" * 6),
    ("commit_hash", "a" * 41),
    ("commit_hash", "abcdefg"),
    ("commit_hash", "abcdef0\n"),
    ("commit_hash", "\u0660" * 7),
]


@pytest.mark.parametrize(("field", "value"), INVALID)
@pytest.mark.parametrize("call", [make_environment, ensure])
async def test_invalid_value_is_refused(
    environments: EnvironmentServiceAsyncStub, project_id: str, call: Any, field: str, value: object
) -> None:
    given = {"project_id": project_id} | {field: value}

    with refused(grpc.StatusCode.INVALID_ARGUMENT, field=field) as refusal:
        await call(environments, given.pop("project_id"), **given)

    assert list(refusal.fields) == [field]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pr_number", 1),
        ("pr_number", 2**31 - 1),
        ("branch_name", "ü" * 255),
        ("branch_name", "dependabot/npm_and_yarn/@types/node-22.1.0"),
        ("branch_name", "a.locked/b@c{d}e"),
        ("branch_name", "'; DROP TABLE environments; --".replace(" ", "")),
        ("commit_hash", "0123abc"),
        ("commit_hash", "f" * 40),
    ],
)
async def test_value_at_its_limit_is_accepted(
    environments: EnvironmentServiceAsyncStub, project_id: str, field: str, value: object
) -> None:
    made = await make_environment(environments, project_id, **{field: value})

    assert getattr(await get_environment(environments, id=made.id), field) == value


async def test_every_missing_field_is_named(environments: EnvironmentServiceAsyncStub) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        await environments.CreateEnvironment(environment_pb2.CreateEnvironmentRequest())
    assert refusal.fields == dict.fromkeys(("project_id", "branch_name", "commit_hash"), "is required")

    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        await environments.EnsureEnvironment(environment_pb2.EnsureEnvironmentRequest())
    assert refusal.fields == dict.fromkeys(("project_id", "pr_number", "branch_name", "commit_hash"), "is required")


@pytest.mark.parametrize(
    ("key", "field"),
    [
        ({}, "key"),
        ({"id": ""}, "id"),
        ({"id": "env-1"}, "id"),
        ({"subdomain_hash": ""}, "subdomain_hash"),
        ({"subdomain_hash": "a" * 51}, "subdomain_hash"),
        ({"subdomain_hash": "pr-1-abc.stagely.dev"}, "subdomain_hash"),
        ({"subdomain_hash": "../etc/passwd"}, "subdomain_hash"),
        ({"subdomain_hash": "%"}, "subdomain_hash"),
        ({"pull_request": {}}, "pull_request.project_id"),
        ({"pull_request": {}}, "pull_request.pr_number"),
        ({"pull_request": {"project_id": "x", "pr_number": 1}}, "pull_request.project_id"),
        ({"pull_request": {"project_id": "x", "pr_number": -1}}, "pull_request.pr_number"),
    ],
)
async def test_malformed_key_is_refused(
    environments: EnvironmentServiceAsyncStub, key: dict[str, Any], field: str
) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field=field):
        await get_environment(environments, **key)


async def test_transition_requires_a_status(environments: EnvironmentServiceAsyncStub, project_id: str) -> None:
    made = await make_environment(environments, project_id, commit_hash=COMMIT)

    with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
        await environments.TransitionEnvironment(environment_pb2.TransitionEnvironmentRequest(id=made.id))
    assert refusal.fields == {"status": "is required"}

    invalid = environment_pb2.TransitionEnvironmentRequest(id=made.id, status=99)  # type: ignore[arg-type]
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="status"):
        await environments.TransitionEnvironment(invalid)
