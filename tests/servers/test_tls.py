"""TLS to the database with verification, configured by libpq's parameters in the URL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stagely_rpc.db.schema import migrations
from tests.support.identity.certificates import dns, make_authority, make_certificate
from tests.support.rpc import connected, running_server
from tests.support.servers.refusal import refusal
from tests.support.servers.tls import showing, url_of, written
from tests.support.servers.tour import tour

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.identity.certificates import Certificate
    from tests.support.servers.postgresql import PostgreSQL

HBA_OF_CERTIFICATES = b"""
host    postgres all 127.0.0.1/32 trust
hostssl stagely  all 127.0.0.1/32 cert
"""


async def test_every_connection_is_encrypted_and_every_rpc_works(tls_server: PostgreSQL, authority_file: Path) -> None:
    url = url_of(tls_server, sslmode="verify-full", sslrootcert=authority_file)
    migrations.upgrade(url)

    async with running_server(url) as service, connected(service) as channel:
        await tour(channel)
        encrypted = tls_server.execute(
            "SELECT DISTINCT application_name, ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
            " WHERE application_name LIKE 'stagely-rpc%' ORDER BY 1"
        )

    assert encrypted == [("stagely-rpc", True), ("stagely-rpc health", True)]


def test_certificate_of_another_authority_prevents_startup(tls_server: PostgreSQL, tmp_path: Path) -> None:
    wrong = written(tmp_path / "wrong.crt", make_authority("another").pem)

    line = refusal(url_of(tls_server, sslmode="verify-full", sslrootcert=wrong))

    assert re.fullmatch(r"stagely-rpc: the database is unreachable: .*certificate verify failed\n", line)


def test_certificate_for_another_name_prevents_startup(
    tls_server: PostgreSQL, authority: Certificate, authority_file: Path
) -> None:
    other = make_certificate(authority, dns("db.example.com"), common_name="db.example.com")
    with showing(tls_server, authority, other):
        line = refusal(url_of(tls_server, sslmode="verify-full", sslrootcert=authority_file))

    assert 'server certificate for "db.example.com" does not match host name "localhost"' in line


def test_server_without_tls_prevents_startup(postgresql: PostgreSQL) -> None:
    line = refusal(url_of(postgresql, sslmode="require"))

    assert line.endswith("server does not support SSL, but SSL was required\n")


async def test_every_connection_presents_the_client_certificate(
    tls_server: PostgreSQL, authority: Certificate, authority_file: Path, tmp_path: Path
) -> None:
    client = make_certificate(authority, common_name="postgres")
    client_cert = {
        "sslcert": written(tmp_path / "client.crt", client.pem),
        "sslkey": written(tmp_path / "client.key", client.key),
    }
    trusted = {"sslmode": "verify-full", "sslrootcert": authority_file}
    given = (tls_server.data / "pg_hba.conf").read_bytes()
    tls_server.place("pg_hba.conf", HBA_OF_CERTIFICATES)
    tls_server.execute("SELECT pg_reload_conf()")
    try:
        async with (
            running_server(url_of(tls_server, **trusted, **client_cert)) as service,
            connected(service) as channel,
        ):
            await tour(channel)
        assert refusal(url_of(tls_server, **trusted)).endswith("connection requires a valid client certificate\n")
    finally:
        tls_server.place("pg_hba.conf", given)
        tls_server.execute("SELECT pg_reload_conf()")
