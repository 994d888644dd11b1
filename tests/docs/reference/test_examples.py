"""Sends the examples of the pages to a real server."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf.json_format import ParseDict

from tests.support.methods import METHOD, METHODS
from tests.support.reference.html import PAGES, read
from tests.support.rpc import connected, running_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stagely_rpc.server.server import Server
    from tests.support.methods import Method
    from tests.support.postgres import PostgresServer

COMMAND = re.compile(r"grpcurl .* -d '(?P<body>.*)' \$API stagely\.v1\.(?P<service>\w+)/(?P<rpc>\w+)", re.DOTALL)
EXAMPLES = {
    f"{found['service']}.{found['rpc']}": (text, found["body"])
    for page in PAGES
    for text in read(page).examples
    if (found := COMMAND.fullmatch(text))
}
# No resource has the ids of the examples, so requests with ids get NOT_FOUND.
ACCEPTED_CODES = {grpc.StatusCode.OK, grpc.StatusCode.NOT_FOUND}
WITHOUT_IDS = [
    "TeamService.CreateTeam",
    "TeamService.ListTeams",
    "UserService.UpsertUser",
    "CryptoService.GenerateKey",
    "CryptoService.Encrypt",
    "CryptoService.Decrypt",
    "IdService.GenerateId",
    "IdService.GenerateIds",
    "AuditService.ListAuditLogs",
]


@pytest.fixture(scope="module")
async def server(postgres_server: PostgresServer, template_database: str) -> AsyncIterator[Server]:
    """A server with its own database, because the examples use names that other tests use too."""
    url = postgres_server.create_database(template_database)
    async with running_server(url) as server:
        yield server
    postgres_server.drop_database(url)


@pytest.fixture(scope="module")
async def channel(server: Server) -> AsyncIterator[grpc.aio.Channel]:
    async with connected(server) as channel:
        yield channel


def test_every_rpc_has_an_example() -> None:
    assert set(EXAMPLES) == set(METHOD)


@pytest.mark.parametrize("method", METHODS, ids=str)
async def test_example_is_a_valid_request(method: Method, channel: grpc.aio.Channel) -> None:
    request = ParseDict(json.loads(EXAMPLES[method.name][1]), method.request())
    coders = type(request).SerializeToString, method.response.FromString

    call = (channel.unary_stream if method.is_streaming else channel.unary_unary)(method.path, *coders)(request)

    assert await call.code() in ACCEPTED_CODES, await call.details()


def test_example_of_an_update_has_a_mask() -> None:
    assert json.loads(EXAMPLES["EnvironmentService.UpdateEnvironment"][1])["update_mask"] == "vmId,vmStatus"


@pytest.mark.skipif(shutil.which("grpcurl") is None, reason="grpcurl is not installed")
@pytest.mark.parametrize("name", WITHOUT_IDS)
async def test_example_runs_unchanged_in_a_shell(name: str, server: Server) -> None:
    variables = f"API=127.0.0.1:{server.port} TOKEN=none"
    pasted = await asyncio.to_thread(
        subprocess.run,
        ["sh", "-c", f"export {variables}\n{EXAMPLES[name][0]}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert pasted.returncode == 0, pasted.stderr
