"""`stagely-rpc doctor` against a real database, real ports and real files."""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from dataclasses import asdict
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from stagely_rpc.db.schema.migrations import head_revision
from stagely_rpc.doctor import postgres, tls
from stagely_rpc.doctor.examination import examine
from tests.support.identity.certificates import DAY, YEAR, Files, make_authority, make_server_certificate
from tests.support.leaks import HUNT
from tests.support.ports import free_port
from tests.support.processes.service import run, serving, settings_for
from tests.support.secret_markers import marked_password

if TYPE_CHECKING:
    from pathlib import Path

HEAD = head_revision()
NOWHERE = f"postgresql://stagely:{marked_password()}@127.0.0.1:1/stagely"


class Diagnosis:
    """The doctor's findings with only these settings in the environment."""

    def __init__(self, env: dict[str, str]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "environ", env)
            self.all = list(examine())
        self._by_check = {finding.check: finding for finding in self.all}
        HUNT.search("findings of the doctor", repr(self.all))

    @property
    def statuses(self) -> set[str]:
        return {finding.status for finding in self.all}

    def status(self, check: str) -> str:
        return self._by_check[check].status

    def found(self, check: str) -> str:
        return self._by_check[check].found

    def advice(self, check: str) -> str:
        return self._by_check[check].advice


def test_healthy_service_passes_all_checks_but_redis(fresh_database_url: str) -> None:
    diagnosis = Diagnosis(settings_for(fresh_database_url, PORT=str(free_port())))

    assert diagnosis.statuses == {"ok", "warn"}
    assert [finding.check for finding in diagnosis.all if finding.status == "warn"] == ["redis"]
    assert diagnosis.found("database").startswith("PostgreSQL ")
    assert diagnosis.found("schema") == f"revision {HEAD}, needed is {HEAD}"
    assert diagnosis.found("port").endswith("is free")


def test_each_finding_is_one_line_with_its_advice_and_exit_code_is_0_without_failures(database_url: str) -> None:
    ended = run("doctor", env=settings_for(database_url))

    findings = Diagnosis(settings_for(database_url)).all
    lines = ended.stdout.splitlines()
    assert ended.returncode == 0
    assert [line.split()[0] for line in lines] == [finding.status for finding in findings]
    assert next(line for line in lines if "PING" in line).split(maxsplit=2) == [
        "warn",
        "redis",
        "does not answer PING: ConnectionError  → check REDIS_URL, and that Redis accepts connections from this host",
    ]


def test_json_is_a_list_of_objects_and_exit_code_is_1_with_a_failure() -> None:
    env = settings_for(NOWHERE)

    ended = run("doctor", "--json", env=env)

    assert ended.returncode == 1
    assert json.loads(ended.stdout) == [asdict(finding) for finding in Diagnosis(env).all]


def test_each_invalid_setting_is_a_finding_and_the_other_checks_are_skipped() -> None:
    diagnosis = Diagnosis(settings_for("mysql://u:hunter2@db/x", PORT="70000"))

    settings = [finding for finding in diagnosis.all if finding.check == "settings"]
    assert [finding.status for finding in settings] == ["fail", "fail"]
    assert {finding.found.split(":")[0] for finding in settings} == {"PORT", "DATABASE_URL"}
    assert diagnosis.statuses == {"fail", "skipped"}


def test_unreachable_database_fails_and_checks_that_need_it_are_skipped() -> None:
    diagnosis = Diagnosis(settings_for(NOWHERE))

    assert diagnosis.status("database") == "fail"
    assert diagnosis.status("schema") == diagnosis.status("clock") == diagnosis.status("encryption key") == "skipped"
    assert diagnosis.status("port") == "ok"


def test_missing_schema_fails_with_the_needed_revision(empty_database_url: str) -> None:
    diagnosis = Diagnosis(settings_for(empty_database_url))

    assert diagnosis.found("schema") == f"revision none, needed is {HEAD}"
    assert diagnosis.advice("schema") == "run `stagely-rpc migrate up`"
    assert diagnosis.status("privileges") == diagnosis.status("encryption key") == "skipped"


@pytest.mark.parametrize(("moved", "status"), [(-1, "fail"), (1, "warn")])
def test_older_schema_fails_and_newer_schema_warns(fresh_database_url: str, moved: int, status: str) -> None:
    revision = f"{int(HEAD) + moved:03d}"
    with psycopg.connect(fresh_database_url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", [revision])

    diagnosis = Diagnosis(settings_for(fresh_database_url))

    assert diagnosis.status("schema") == status
    assert diagnosis.found("schema") == f"revision {revision}, needed is {HEAD}"


def test_read_only_database_fails(fresh_database_url: str) -> None:
    name = sql.Identifier(str(conninfo_to_dict(fresh_database_url)["dbname"]))
    with psycopg.connect(fresh_database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))

    assert Diagnosis(settings_for(fresh_database_url)).status("database writes") == "fail"


def test_data_keys_encrypted_with_another_key_fail_and_its_id_is_shown(fresh_database_url: str) -> None:
    with psycopg.connect(fresh_database_url, autocommit=True) as connection:
        connection.execute(
            "WITH team AS (INSERT INTO teams (slug, name) VALUES ('web', 'Web') RETURNING id)"
            " INSERT INTO data_keys (team_id, key_encryption_key_id, wrapped_key) SELECT id, 'feed', 'x' FROM team"
        )

    with_other_key = Diagnosis(settings_for(fresh_database_url))
    without_key = Diagnosis(settings_for(fresh_database_url, ENCRYPTION_KEY=""))

    assert with_other_key.status("encryption key") == without_key.status("encryption key") == "fail"
    assert "1 with feed" in with_other_key.found("encryption key")
    assert "ENCRYPTION_KEY is not set" in without_key.found("encryption key")


def test_missing_encryption_key_warns(fresh_database_url: str) -> None:
    diagnosis = Diagnosis(settings_for(fresh_database_url, ENCRYPTION_KEY=""))

    assert diagnosis.status("encryption key") == "warn"


def test_missing_privilege_fails_with_the_grant_that_adds_it(fresh_database_url: str) -> None:
    role = f"stagely_test_{secrets.token_hex(4)}"
    with psycopg.connect(fresh_database_url, autocommit=True) as connection:
        connection.execute(f"DROP ROLE IF EXISTS {role}".encode())
        connection.execute(f"CREATE ROLE {role} LOGIN".encode())
        try:
            connection.execute(
                f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}".encode()
            )
            url = make_conninfo(fresh_database_url, user=role)
            complete = Diagnosis(settings_for(as_url(url)))
            connection.execute(f"REVOKE DELETE ON teams FROM {role}".encode())
            lacking = Diagnosis(settings_for(as_url(url)))
        finally:
            connection.execute(f"DROP OWNED BY {role}".encode())
            connection.execute(f"DROP ROLE {role}".encode())

    assert complete.status("privileges") == "ok"
    assert "can't migrate" in complete.found("privileges")
    assert lacking.status("privileges") == "fail"
    assert lacking.advice("privileges") == f"GRANT DELETE ON teams TO {role}"


def as_url(conninfo: str) -> str:
    """Return a conninfo as the URL that the settings take."""
    given = conninfo_to_dict(conninfo)
    name = given.pop("dbname")
    return f"postgresql:///{name}?" + "&".join(f"{key}={value}" for key, value in given.items())


@pytest.mark.parametrize("ahead", [1, -1])
@pytest.mark.parametrize(("skew", "status"), [(0, "ok"), (2, "warn"), (6, "fail")])
def test_clock_skew_of_1_s_warns_and_of_5_s_fails(
    database_url: str, monkeypatch: pytest.MonkeyPatch, ahead: int, skew: int, status: str
) -> None:
    now = time.time
    monkeypatch.setattr(postgres, "time", SimpleNamespace(time=lambda: now() + ahead * (skew + 0.5)))

    assert Diagnosis(settings_for(database_url)).status("clock") == status


def test_pool_larger_than_the_free_connections_warns(fresh_database_url: str) -> None:
    diagnosis = Diagnosis(settings_for(fresh_database_url, DATABASE_POOL_SIZE="1000"))

    assert diagnosis.status("connections") == "warn"
    assert "up to 1001" in diagnosis.found("connections")


@pytest.mark.parametrize(("days", "status"), [(100, "ok"), (3, "warn"), (-1, "fail")])
def test_certificate_that_expires_soon_warns_and_expired_one_fails(
    fresh_database_url: str, tmp_path: Path, days: int, status: str
) -> None:
    files = Files(tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "ca.pem")
    files.write(make_server_certificate(make_authority(), lifetime=(-YEAR, days * DAY)))

    diagnosis = Diagnosis(settings_for(fresh_database_url, TLS_CERT_FILE=str(files.cert), TLS_KEY_FILE=str(files.key)))

    assert diagnosis.status("certificate") == status


def test_malformed_permissions_file_fails(database_url: str, tmp_path: Path) -> None:
    authority = make_authority()
    files = Files(tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "ca.pem")
    files.write(make_server_certificate(authority))
    files.client_ca.write_bytes(authority.pem)
    permissions = tmp_path / "permissions.toml"
    permissions.write_text("[nobody]\n")
    env = settings_for(
        database_url,
        TLS_CERT_FILE=str(files.cert),
        TLS_KEY_FILE=str(files.key),
        TLS_CLIENT_CA_FILE=str(files.client_ca),
        PERMISSIONS_FILE=str(permissions),
    )

    diagnosis = Diagnosis(env)

    assert diagnosis.status("client authority") == "ok"
    assert diagnosis.status("permissions file") == "fail"


def test_port_taken_by_a_running_service_passes(fresh_database_url: str) -> None:
    with serving(["serve"], settings_for(fresh_database_url, METRICS_PORT=str(free_port()))) as server:
        port = server.address.rpartition(":")[2]
        diagnosis = Diagnosis(settings_for(fresh_database_url, PORT=port))

    assert diagnosis.found("port") == f"{port} is taken by a service that is SERVING"


def test_port_taken_by_another_program_warns(fresh_database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        diagnosis = Diagnosis(settings_for(fresh_database_url, PORT=port, METRICS_PORT=str(free_port())))

    assert diagnosis.status("port") == "warn"
    assert diagnosis.advice("port").endswith("set PORT")
    assert diagnosis.found("metrics port").endswith("is free")


def test_address_of_another_host_fails(database_url: str) -> None:
    diagnosis = Diagnosis(settings_for(database_url, HOST="192.0.2.1"))

    assert diagnosis.status("port") == "fail"
    assert diagnosis.found("port") == "can't listen on 192.0.2.1:0: cannot assign requested address"


def test_metrics_port_taken_by_the_service_passes_and_by_another_program_warns(fresh_database_url: str) -> None:
    with (
        serving(["serve"], settings_for(fresh_database_url, METRICS_PORT=(port := str(free_port())))),
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        ours = Diagnosis(settings_for(fresh_database_url, METRICS_PORT=port))
        others = Diagnosis(settings_for(fresh_database_url, METRICS_PORT=str(other.getsockname()[1])))

    assert ours.found("metrics port") == f"{port} serves metrics"
    assert others.status("metrics port") == "warn"


@pytest.mark.parametrize(
    ("parameters", "mode"),
    [
        ({}, "prefer"),
        ({"sslmode": "require"}, "require"),
        ({"sslmode": "require", "sslrootcert": "/tls/ca.pem"}, "verify-ca"),
        ({"sslmode": "verify-full", "sslrootcert": "/tls/ca.pem"}, "verify-full"),
        ({"sslrootcert": "system"}, "verify-full"),
    ],
)
def test_sslmode_is_the_one_that_libpq_applies(parameters: dict[str, str], mode: str) -> None:
    assert tls._effective_mode(parameters) == mode
