"""PostgreSQL servers with TLS, and their certificates."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from stagely_rpc.db.schema import migrations
from tests.support.identity.certificates import dns, make_certificate
from tests.support.secret_markers import marked_password
from tests.support.servers import installed
from tests.support.servers.postgresql import DATABASE, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.identity.certificates import Certificate
    from tests.support.servers.postgresql import PostgreSQL


@contextmanager
def running_with_tls(authority: Certificate) -> Iterator[PostgreSQL]:
    """Run a migrated PostgreSQL that offers TLS with a certificate for localhost."""
    with running(installed.postgresql(installed.POSTGRESQL[-1])) as server:
        secure(server, authority, certificate_of_localhost(authority))
        migrations.upgrade(server.url())
        yield server


def certificate_of_localhost(authority: Certificate) -> Certificate:
    return make_certificate(authority, dns("localhost"), common_name="localhost")


def secure(server: PostgreSQL, authority: Certificate, certificate: Certificate) -> None:
    """Restart a server with a certificate, and let it verify client certificates of an authority."""
    server.stop()
    for setting, name, contents in (
        ("ssl_ca_file", "ca.crt", authority.pem),
        ("ssl_cert_file", "server.crt", certificate.pem),
        ("ssl_key_file", "server.key", certificate.key),
    ):
        server.settings[setting] = str(server.place(name, contents))
    server.settings["ssl"] = "on"
    server.start()


@contextmanager
def showing(server: PostgreSQL, authority: Certificate, certificate: Certificate) -> Iterator[None]:
    """Let a server present another certificate while the block runs."""
    secure(server, authority, certificate)
    try:
        yield
    finally:
        secure(server, authority, certificate_of_localhost(authority))


def written(file: Path, contents: bytes) -> Path:
    file.write_bytes(contents)
    file.chmod(0o600)
    return file


def url_of(server: PostgreSQL, **parameters: object) -> str:
    """Return a URL with a password, which no output may show."""
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    return f"postgresql://postgres:{marked_password()}@localhost:{server.port}/{DATABASE}?{query}"
