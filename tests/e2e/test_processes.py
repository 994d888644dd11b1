from __future__ import annotations

import json
import signal
import socket
import time
from typing import TYPE_CHECKING

import grpc
import psycopg
import pytest

from stagely.v1 import team_pb2, team_pb2_grpc
from stagely_rpc import __version__
from stagely_rpc.db.schema.migrations import head_revision
from tests.support.call_metadata import headers_of
from tests.support.processes.service import KEY, environment, run, serving, settings_for
from tests.support.tokens import JWT_SECRET, token

if TYPE_CHECKING:
    from pathlib import Path

    from stagely.v1.team_pb2_grpc import TeamServiceStub


def team_stub(channel: grpc.Channel) -> TeamServiceStub:
    return team_pb2_grpc.TeamServiceStub(channel)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_server_serves_until_a_signal(fresh_database_url: str, number: signal.Signals) -> None:
    with serving(["serve"], settings_for(fresh_database_url)) as server:
        with grpc.insecure_channel(server.address) as channel:
            team_stub(channel).CreateTeam(team_pb2.CreateTeamRequest(slug="web", name="Web"), timeout=10)

        assert server.stop(number) == 0

    assert "stopped" in server.lines[-1]


def test_call_in_progress_is_answered_before_the_server_ends(fresh_database_url: str) -> None:
    with (
        serving(["serve"], settings_for(fresh_database_url)) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        teams = team_stub(channel)
        team = teams.CreateTeam(team_pb2.CreateTeamRequest(slug="web", name="Web"), timeout=10).team
        with (
            psycopg.connect(fresh_database_url) as holder,
            psycopg.connect(fresh_database_url, autocommit=True) as observer,
        ):
            holder.execute("SELECT FROM teams FOR UPDATE")
            pending = teams.UpdateTeam.future(team_pb2.UpdateTeamRequest(id=team.id, name="New"), timeout=20)
            waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            deadline = time.monotonic() + 10
            while not observer.execute(waiting).fetchall():
                assert time.monotonic() < deadline
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            assert server.process.poll() is None
            holder.rollback()

        assert pending.result().team.name == "New"
        assert server.wait() == 0


def test_call_is_cancelled_at_the_end_of_the_grace_period(fresh_database_url: str) -> None:
    env = settings_for(fresh_database_url, SHUTDOWN_GRACE_SECONDS="0.5")
    with serving(["serve"], env) as server, grpc.insecure_channel(server.address) as channel:
        teams = team_stub(channel)
        team = teams.CreateTeam(team_pb2.CreateTeamRequest(slug="web", name="Web"), timeout=10).team
        with psycopg.connect(fresh_database_url) as holder:
            holder.execute("SELECT FROM teams FOR UPDATE")
            pending = teams.UpdateTeam.future(team_pb2.UpdateTeamRequest(id=team.id, name="New"), timeout=20)
            time.sleep(0.3)

            assert server.stop() == 0

        assert pending.exception() is not None


def test_production_logs_one_json_object_a_line(fresh_database_url: str) -> None:
    env = settings_for(fresh_database_url, ENVIRONMENT="production", JWT_SECRET=JWT_SECRET)
    with serving(["serve"], env) as server:
        with grpc.insecure_channel(server.address) as channel:
            metadata = (("x-request-id", "the-request"), *headers_of(token("ops", "teams.create")))
            _, call = team_stub(channel).CreateTeam.with_call(
                team_pb2.CreateTeamRequest(slug="web", name="Web"), metadata=metadata, timeout=10
            )
        server.stop()

    logs = [json.loads(line) for line in server.lines]
    calls = [log for log in logs if log["event"] == "call"]
    assert dict(call.trailing_metadata())["x-request-id"] == "the-request"
    assert len(calls) == 1
    assert (
        calls[0].items()
        >= {
            "method": "/stagely.v1.TeamService/CreateTeam",
            "code": "OK",
            "request_id": "the-request",
            "level": "info",
            "service": "ops",
            "user_id": None,
        }.items()
    )
    assert calls[0]["duration_ms"] > 0
    assert calls[0]["peer"].startswith("ipv4:127.0.0.1:")
    assert "timestamp" in calls[0]


def test_production_does_not_start_with_authentication_off(fresh_database_url: str) -> None:
    result = run("serve", env=settings_for(fresh_database_url, ENVIRONMENT="production"))

    assert_failed_with(result, "JWT_SECRET")


def assert_failed_with(result: object, *lines: str) -> None:
    """Expect that the command ended with code 2, and printed exactly these errors, one per line."""
    assert result.returncode == 2, result  # type: ignore[attr-defined]
    printed = result.stderr.splitlines()  # type: ignore[attr-defined]
    assert len(printed) == len(lines), printed
    for line, expected in zip(printed, lines, strict=True):
        assert line.startswith("stagely-rpc: ")
        assert expected in line


def test_each_missing_setting_is_reported_in_one_line() -> None:
    assert_failed_with(run("serve", env=environment()), "DATABASE_URL: is required", "REDIS_URL: is required")


def test_unreachable_database_is_reported_in_one_line() -> None:
    url = "postgresql://stagely:hunter2@127.0.0.1:1/stagely"

    result = run("serve", env=settings_for(url))

    assert_failed_with(result, "the database is unreachable: connection failed: ")
    assert "hunter2" not in result.stderr


def test_error_for_an_empty_database_names_the_command_to_run(empty_database_url: str) -> None:
    result = run("serve", env=settings_for(empty_database_url))

    assert_failed_with(result, f"needs revision {head_revision()}: run `stagely-rpc migrate up`")


def test_taken_port_is_reported_in_one_line(database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        result = run("serve", env=settings_for(database_url, PORT=str(port)))

    assert_failed_with(result, f"can't listen on 127.0.0.1:{port}: is the port taken?")


def test_migrations_go_up_and_down(empty_database_url: str) -> None:
    env = environment(DATABASE_URL=empty_database_url)
    head = head_revision()

    def migrate(*arguments: str) -> str:
        result = run("migrate", *arguments, env=env)
        assert result.returncode == 0, result
        return result.stdout.strip()

    assert migrate("current") == f"none (needed: {head})"
    assert migrate("up", "003") == "applied: 001, 002, 003"
    assert migrate("down") == "undone: 003"
    assert migrate("up").endswith(head)
    assert migrate("up") == "nothing to do"
    assert migrate("down", "-2").count(",") == 1
    assert migrate("down", "base").startswith("undone: ")
    assert migrate("current") == f"none (needed: {head})"


def test_unknown_revision_and_bad_name_are_reported_in_one_line(empty_database_url: str) -> None:
    env = environment(DATABASE_URL=empty_database_url)

    assert_failed_with(run("migrate", "up", "999", env=env), "999")
    assert_failed_with(run("migrate", "create", "Bad Name", env=env), "'Bad Name'")
    assert_failed_with(run("migrate", "up", env=environment()), "DATABASE_URL: is required")


def test_exit_code_of_probe_shows_health(fresh_database_url: str) -> None:
    with serving(["serve"], settings_for(fresh_database_url)) as server:
        healthy = run("probe", "--target", server.address)
        liveness = run("probe", "--target", server.address, "--service", "liveness")
        # The probe ignores the proxy in the environment.
        proxied = environment(PORT=server.address.partition(":")[2], http_proxy="http://127.0.0.1:1")
        one = run("probe", env=proxied)
        unknown = run("probe", "--target", server.address, "--service", "nothing")
    gone = run("probe", "--target", server.address)

    assert (healthy.returncode, healthy.stdout) == (0, "SERVING\n")
    assert liveness.returncode == one.returncode == 0
    assert (unknown.returncode, unknown.stderr) == (1, f"{server.address}: NOT_FOUND\n")
    assert (gone.returncode, gone.stderr) == (1, f"{server.address}: UNAVAILABLE\n")


def test_generated_keys_are_valid_and_different() -> None:
    keys = [run("keys", "generate").stdout.strip() for _ in range(2)]

    assert [len(bytes.fromhex(key)) for key in keys] == [32, 32]
    assert keys[0] != keys[1]


def test_version_command_shows_the_needed_schema_revision() -> None:
    assert run("version").stdout == f"stagely-rpc {__version__}, schema {head_revision()}\n"


def test_dev_keeps_its_data_and_keys_and_requires_tokens_with_auth(tmp_path: Path) -> None:
    env = environment(PORT="0", TMPDIR=str(tmp_path))
    request = team_pb2.GetTeamRequest(slug="web")
    with serving(["dev", "--directory", "d"], env, tmp_path) as first:
        with grpc.insecure_channel(first.address) as channel:
            team = team_stub(channel).CreateTeam(team_pb2.CreateTeamRequest(slug="web", name="Web"), timeout=10).team
        assert first.stop(signal.SIGINT) == 0
    key = (tmp_path / "d" / "encryption.key").read_text()

    with serving(["dev", "--directory", "d", "--auth"], env, tmp_path) as second:
        with grpc.insecure_channel(second.address) as channel:
            with pytest.raises(grpc.RpcError) as refused:
                team_stub(channel).GetTeam(request, timeout=10)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
            headers = headers_of(second.wait_for(r"export TOKEN=(\S+)"))
            assert team_stub(channel).GetTeam(request, metadata=headers, timeout=10).team == team
        assert second.stop(signal.SIGINT) == 0
    secret = (tmp_path / "d" / "jwt.secret").read_text().strip()

    assert (tmp_path / "d" / "encryption.key").read_text() == key
    assert (tmp_path / "d" / "encryption.key").stat().st_mode & 0o777 == 0o600
    assert key.strip() not in "\n".join(first.lines + second.lines)
    assert key.strip() != KEY
    assert secret not in "\n".join(second.lines)
    assert any("grpcurl -plaintext" in line for line in first.lines)
    assert any("Authentication is off" in line for line in first.lines)
    assert any("Authentication is on" in line for line in second.lines)
