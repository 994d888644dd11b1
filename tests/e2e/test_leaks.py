"""The leak hunt in a real process: searches its output and its database after calls of every RPC."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

import grpc
import pytest

from stagely_rpc.client import connect, connect_sync
from stagely_rpc.embedded import postgres as embedded
from stagely_rpc.server.server import Server
from tests.support.leaks import Hunt
from tests.support.methods import METHODS
from tests.support.processes.service import environment, run, serving, settings_for
from tests.support.rpc import settings_of
from tests.support.secret_markers import forms_in, marked_password, marked_secret
from tests.support.tokens import AUTHENTICATION, token
from tests.support.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.postgres import PostgresServer


@dataclass(frozen=True)
class Walked:
    """The results of a walk through the RPCs of a process.

    Attributes:
        database_url: the URL of its database.
        lines: its output.
        refusals: the errors of its calls.
    """

    database_url: str
    lines: list[str]
    refusals: list[grpc.aio.AioRpcError]


@pytest.fixture(scope="module")
async def walked(postgres_server: PostgresServer, template_database: str) -> Any:
    url = postgres_server.create_database(template_database)
    settings = {name.upper(): value for name, value in AUTHENTICATION.items()}
    env = settings_for(
        with_password(url),
        ENVIRONMENT="production",
        LOG_LEVEL="debug",
        JWT_SECRET_PREVIOUS=marked_secret("the previous secret"),
        **settings,
    )
    with serving(["serve"], env) as server:
        walk = Walk(server.address, url)
        await walk.run()
        assert server.stop() == 0
    yield Walked(url, server.lines, walk.refusals)
    postgres_server.drop_database(url)


def with_password(url: str) -> str:
    """Return the URL with a password, if it has none. A server that needs no password accepts any."""
    parts = urlsplit(url)
    if parts.password:
        return url
    user, host = quote(parts.username or ""), parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{marked_password()}@{host}"))


def found_in(*contents: str | bytes) -> list[str]:
    return sorted({form for content in contents for form in forms_in(content)})


def test_walk_met_every_kind_of_error(walked: Walked) -> None:
    codes = {refusal.code() for refusal in walked.refusals}

    assert codes >= {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.INTERNAL,
    }


def test_error_details_hold_no_secret(walked: Walked) -> None:
    for refusal in walked.refusals:
        trailers = [value for _, value in refusal.trailing_metadata() or ()]

        assert found_in(refusal.details() or "", refusal.debug_error_string() or "", repr(refusal), *trailers) == []


def test_log_of_every_rpc_holds_no_secret(walked: Walked) -> None:
    entries = [json.loads(line) for line in walked.lines]
    called = {(entry["method"], entry["code"]) for entry in entries if entry["event"] == "call"}

    assert called >= {(method.path, code) for method in METHODS for code in ("OK", "UNAUTHENTICATED")}
    assert "internal error" in {entry["event"] for entry in entries}
    assert found_in(*walked.lines) == []


def test_dump_of_the_database_holds_no_secret(walked: Walked) -> None:
    pg_dump = embedded._find_install() / "bin" / "pg_dump"

    dump = subprocess.run([pg_dump, walked.database_url], env=environment(), capture_output=True, check=True).stdout

    hunt = Hunt()
    hunt.search_database(walked.database_url)
    for table in (b"secrets", b"audit_logs", b"idempotency_keys"):
        rows = dump.partition(b"COPY public.%s (" % table)[2].partition(b"\n\\.\n")[0]
        assert rows.count(b"\n") > 1, table
    assert found_in(dump) == hunt.take() == []


def test_exported_audit_log_holds_no_secret(walked: Walked) -> None:
    exported = run("audit", "export", env=environment(DATABASE_URL=with_password(walked.database_url)))

    actions = {json.loads(line)["action"] for line in exported.stdout.splitlines()}
    assert actions >= {"secret.set", "secret.access", "cloud_provider.access", "access.deny"}
    assert found_in(exported.stdout, exported.stderr) == []


def test_error_for_an_unreachable_database_shows_no_password() -> None:
    ended = run("serve", env=settings_for(f"postgresql://stagely:{marked_password()}@127.0.0.1:1/stagely"))

    assert ended.returncode == 2
    assert "the database is unreachable" in ended.stderr
    assert found_in(ended.stdout, ended.stderr) == []


async def test_no_part_of_a_server_or_client_shows_a_secret_in_its_repr() -> None:
    settings = settings_of(f"postgresql://stagely:{marked_password()}@127.0.0.1:1/stagely", **AUTHENTICATION)
    server = Server(settings)
    await server._authenticator._tokens.verify(token("reaper", "*"))  # type: ignore[union-attr]
    async with connect("127.0.0.1:1", token=token("reaper")) as client:
        with connect_sync("127.0.0.1:1", token=token("reaper")) as sync_client:
            parts = [part for root in (settings, server, client, sync_client) for part in parts_of(root)]
            leaking = {type(part).__name__ for part in parts if found_in(repr(part), str(part))}
    await server.stop()

    kinds = {type(part).__name__ for part in parts}
    assert kinds >= {"Settings", "Server", "Database", "IdempotencyStore", "Keyring", "ChainKey"}
    assert kinds >= {"TokenVerifier", "VerificationKey", "Stagely", "SyncStagely", "FixedToken"}
    assert leaking == set()
    assert found_in(settings.model_dump_json(), str(settings.model_dump())) == []


def parts_of(root: object) -> Iterator[object]:
    """Yield all objects of this package that are reachable from an object, including the object itself."""
    seen: dict[int, object] = {}
    left = [root]
    while left:
        part = left.pop()
        if id(part) in seen:
            continue
        seen[id(part)] = part
        left += members_of(part)
        if type(part).__module__.startswith("stagely_rpc"):
            yield part


def members_of(part: object) -> Iterator[Any]:
    if isinstance(part, dict):
        yield from part.values()
    elif isinstance(part, (list, tuple, set)):
        yield from part
    elif type(part).__module__.startswith("stagely_rpc"):
        names = [*getattr(part, "__dict__", ()), *getattr(type(part), "__slots__", ())]
        yield from (getattr(part, name) for name in names if hasattr(part, name))
