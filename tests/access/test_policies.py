"""Rules for the policies of the contract, and the denial of an RPC without a policy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import grpc
import psycopg
import pytest
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.empty_pb2 import Empty

from stagely_rpc.server.server import Server
from tests.support.access.auth_server import send
from tests.support.access.policies import options_of, policy_of
from tests.support.methods import METHODS
from tests.support.refusals import refused
from tests.support.rpc import connected, settings_of
from tests.support.tokens import AUTHENTICATION, token

if TYPE_CHECKING:
    from tests.support.methods import Method

every_method = pytest.mark.parametrize("method", METHODS, ids=str)

RETURN_SECRETS = {
    "CloudProviderService.AccessCloudProviderCredentials",
    "SecretService.AccessSecret",
    "SecretService.ResolveSecrets",
}
"""RPCs that change nothing, but whose every response is recorded in the audit log."""

FORGOTTEN = "/stagely.v1.ForgottenService/Forget"


@every_method
def test_every_policy_has_a_permission_and_either_a_role_or_acting_for(method: Method) -> None:
    policy = policy_of(method)

    assert re.fullmatch(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*", policy.permission)
    assert bool(policy.role) != bool(policy.acting_for)


@every_method
def test_every_rpc_except_reads_is_recorded(method: Method) -> None:
    is_read = options_of(method).idempotency_level == MethodOptions.NO_SIDE_EFFECTS

    assert bool(policy_of(method).action) == (not is_read)


@every_method
def test_every_non_idempotent_rpc_has_a_request_id(method: Method) -> None:
    is_unsafe = options_of(method).idempotency_level == MethodOptions.IDEMPOTENCY_UNKNOWN
    has_request_id = "request_id" in method.input.fields_by_name and not _is_filter(method, "request_id")

    # The service detects a repeated request, but not a repeated stream of requests.
    assert has_request_id == (is_unsafe and not method.streams_requests)


def _is_filter(method: Method, name: str) -> bool:
    return "page_token" in method.input.fields_by_name and method.input.fields_by_name[name].has_presence


def test_only_rpcs_that_return_secrets_are_marked_idempotent() -> None:
    idempotent = {m.name for m in METHODS if options_of(m).idempotency_level == MethodOptions.IDEMPOTENT}

    assert idempotent == RETURN_SECRETS


async def test_audit_log_accepts_the_resource_type_of_every_action(database_url: str) -> None:
    statement = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'valid_resource_type'"
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        ((definition,),) = await (await connection.execute(statement)).fetchall()
    actions = {policy_of(method).action for method in METHODS} - {""}

    assert {action.partition(".")[0] for action in actions} <= set(re.findall(r"'(\w+)'", definition))
    assert all(re.fullmatch(r"[a-z_]+\.[a-z_]+", action) for action in actions)


def test_actions_are_unique() -> None:
    actions = [policy_of(method).action for method in METHODS if policy_of(method).action]

    assert len(actions) == len(set(actions))


@pytest.mark.parametrize("settings", [AUTHENTICATION, {}], ids=["authentication on", "authentication off"])
async def test_rpc_without_a_policy_is_denied_to_everyone(database_url: str, settings: dict[str, str]) -> None:
    requests = []

    async def unpoliced(request: Empty, _: Any) -> Empty:
        requests.append(request)
        return request

    handler = grpc.unary_unary_rpc_method_handler(unpoliced, Empty.FromString, Empty.SerializeToString)
    server = Server(settings_of(database_url, **settings))
    service = grpc.method_handlers_generic_handler("stagely.v1.ForgottenService", {"Forget": handler})
    server._grpc.add_generic_rpc_handlers((service,))
    await server.start()
    try:
        async with connected(server, token=token("operator", "*") if settings else None) as channel:
            with refused(grpc.StatusCode.PERMISSION_DENIED, reason="POLICY_MISSING"):
                await send(channel, FORGOTTEN)
    finally:
        await server.stop()

    assert requests == []
