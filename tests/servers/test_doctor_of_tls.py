"""The findings of `stagely-rpc doctor` about TLS to real servers."""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from typing import TYPE_CHECKING

import psutil
import pytest

from stagely_rpc.db.schema import migrations
from tests.support.identity.certificates import DAY, YEAR, dns, make_authority, make_certificate
from tests.support.processes.service import run, settings_for
from tests.support.servers import installed
from tests.support.servers.poolers import pgbouncer
from tests.support.servers.postgresql import DATABASE, running
from tests.support.servers.tls import certificate_of_localhost, showing, url_of, written

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.identity.certificates import Certificate
    from tests.support.servers.postgresql import PostgreSQL

VERIFY = "set sslmode=verify-full and sslrootcert in DATABASE_URL"
UNTRUSTED = r'unreachable: .*server at "127.0.0.1", port \d+ failed: SSL error: certificate verify failed: '


def finding_of(url: str, check: str, *, exit_code: int) -> dict[str, str]:
    """Return the finding of one check."""
    ended = run("doctor", "--json", env=settings_for(url))

    assert (ended.returncode, ended.stderr) == (exit_code, "")
    [finding] = [each for each in json.loads(ended.stdout) if each["check"] == check]
    return {key: finding[key] for key in ("status", "found", "advice")}


def lines_of(url: str, *, exit_code: int) -> list[str]:
    ended = run("doctor", env=settings_for(url))

    assert (ended.returncode, ended.stderr) == (exit_code, "")
    return ended.stdout.splitlines()


def test_doctor_shows_the_protocol_of_a_verified_server(tls_server: PostgreSQL, authority_file: Path) -> None:
    url = url_of(tls_server, sslmode="verify-full", sslrootcert=authority_file)

    assert finding_of(url, "database tls", exit_code=0) == {
        "status": "ok",
        "found": "TLSv1.3, and the server's certificate and name are verified (verify-full)",
        "advice": "",
    }
    assert (
        "ok       database tls      TLSv1.3, and the server's certificate and name are verified (verify-full)"
        in lines_of(url, exit_code=0)
    )


def test_certificate_that_expires_soon_is_a_warning_with_its_expiry(
    tls_server: PostgreSQL, authority: Certificate, authority_file: Path
) -> None:
    ending = make_certificate(authority, dns("localhost"), common_name="localhost", lifetime=(-YEAR, 3 * DAY))
    with showing(tls_server, authority, ending):
        found = finding_of(
            url_of(tls_server, sslmode="verify-full", sslrootcert=authority_file), "database tls", exit_code=0
        )

    end = f"{ending.x509.not_valid_after_utc:%FT%TZ}"
    verified = "TLSv1.3, and the server's certificate and name are verified (verify-full)"
    assert found == {
        "status": "warn",
        "found": f"{verified}, valid until {end}",
        "advice": "renew the certificate, and reload PostgreSQL",
    }


@pytest.mark.parametrize("mode", ["verify-ca", "require"])
def test_doctor_shows_that_the_name_is_not_verified(tls_server: PostgreSQL, authority_file: Path, mode: str) -> None:
    found = finding_of(url_of(tls_server, sslmode=mode, sslrootcert=authority_file), "database tls", exit_code=0)

    assert found["status"] == "ok"
    assert found["found"] == "TLSv1.3, and the server's certificate is verified, but not its name (verify-ca)"


@pytest.mark.parametrize("mode", ["require", "prefer"])
def test_unverified_server_is_a_warning(tls_server: PostgreSQL, mode: str) -> None:
    assert finding_of(url_of(tls_server, sslmode=mode), "database tls", exit_code=0) == {
        "status": "warn",
        "found": f"TLSv1.3, and the server's certificate is not verified ({mode})",
        "advice": VERIFY,
    }


def test_no_tls_to_the_same_host_is_ok(tls_server: PostgreSQL) -> None:
    found = finding_of(url_of(tls_server, sslmode="disable"), "database tls", exit_code=0)

    assert (found["status"], found["found"]) == ("ok", "not needed: on this host")


def test_no_tls_over_the_network_is_a_warning() -> None:
    address = address_of_this_host()
    with running(installed.postgresql(installed.POSTGRESQL[-1]), listen_addresses=f"127.0.0.1,{address}") as server:
        server.place("pg_hba.conf", b"host all all 127.0.0.1/32 trust\n" + f"host all all {address}/32 trust".encode())
        server.execute("SELECT pg_reload_conf()")
        migrations.upgrade(server.url())
        found = finding_of(server.url(host=address), "database tls", exit_code=0)

    assert found == {"status": "warn", "found": "no TLS over the network", "advice": VERIFY}


def address_of_this_host() -> str:
    """Return an address of this host that is not a loopback address."""
    for addresses in psutil.net_if_addrs().values():
        for each in addresses:
            if each.family is socket.AF_INET and not ipaddress.ip_address(each.address).is_loopback:
                return str(each.address)
    pytest.skip("this host has no network")


def test_certificate_of_another_authority_fails_with_its_issuer(tls_server: PostgreSQL, tmp_path: Path) -> None:
    wrong = written(tmp_path / "wrong.crt", make_authority("another").pem)

    found = finding_of(url_of(tls_server, sslmode="verify-full", sslrootcert=wrong), "database", exit_code=1)

    assert found["status"] == "fail"
    assert re.fullmatch(UNTRUSTED + "the server's certificate was issued by CN=authority", found["found"])
    assert found["advice"] == "set sslrootcert in DATABASE_URL to the issuer's certificate"


def test_expired_certificate_fails_with_its_expiry(
    tls_server: PostgreSQL, authority: Certificate, authority_file: Path
) -> None:
    expired = make_certificate(authority, dns("localhost"), common_name="localhost", lifetime=(-YEAR, -DAY))
    url = url_of(tls_server, sslmode="verify-full", sslrootcert=authority_file)
    with showing(tls_server, authority, expired):
        found = finding_of(url, "database", exit_code=1)
        lines = lines_of(url, exit_code=1)

    end = f"{expired.x509.not_valid_after_utc:%FT%TZ}"
    assert re.fullmatch(UNTRUSTED + f"the server's certificate expired at {end}", found["found"])
    assert found["advice"] == "renew the certificate, and reload PostgreSQL"
    assert [line.split()[:2] for line in lines if "expired" in line] == [["fail", "database"]]


def test_certificate_that_is_not_yet_valid_fails_with_its_start(
    tls_server: PostgreSQL, authority: Certificate, authority_file: Path
) -> None:
    early = make_certificate(authority, dns("localhost"), common_name="localhost", lifetime=(DAY, YEAR))
    with showing(tls_server, authority, early):
        found = finding_of(
            url_of(tls_server, sslmode="verify-full", sslrootcert=authority_file), "database", exit_code=1
        )

    begin = f"{early.x509.not_valid_before_utc:%FT%TZ}"
    assert re.fullmatch(UNTRUSTED + f"the server's certificate is not valid before {begin}", found["found"])


def test_certificate_for_another_name_fails(
    tls_server: PostgreSQL, authority: Certificate, authority_file: Path
) -> None:
    other = make_certificate(authority, dns("db.example.com"), common_name="db.example.com")
    with showing(tls_server, authority, other):
        found = finding_of(
            url_of(tls_server, sslmode="verify-full", sslrootcert=authority_file), "database", exit_code=1
        )

    assert found["found"].endswith('server certificate for "db.example.com" does not match host name "localhost"')


def test_protocol_version_is_not_shown_behind_a_pooler(
    tls_server: PostgreSQL, authority: Certificate, authority_file: Path
) -> None:
    with pgbouncer(tls_server, certificate=certificate_of_localhost(authority)) as pooler:
        url = (
            f"postgresql://postgres@localhost:{pooler.port}/{DATABASE}?sslmode=verify-full&sslrootcert={authority_file}"
        )
        found = finding_of(url, "database tls", exit_code=0)

    assert found["found"] == "on, and the server's certificate and name are verified (verify-full)"
