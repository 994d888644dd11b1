"""The environment of a run: a populated database, its copy for the floors, and the servers."""

from __future__ import annotations

import base64
import secrets
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from benchmarks.cases import VALUE
from benchmarks.dataset import prepare
from benchmarks.floors import NONCE_BYTES, RESOLVED_KEY
from benchmarks.populate import populate
from benchmarks.processes import (
    ENCRYPTION_KEY,
    another_database,
    floor_server,
    migrated_database,
    open_server,
    peer_server,
    stagely_server,
)
from benchmarks.rows import FLOORS, OPEN, PEERS, QUIET, STAGELY
from benchmarks.sealing import Sealing
from benchmarks.sizes import Sizes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from benchmarks.dataset import Dataset
    from benchmarks.processes import ServerProcess

SIZES = replace(Sizes(), audit_logs=1_000_000)
"""The sizes of the database. A tenth of the audit log suffices, because nothing here reads it."""


@dataclass(frozen=True)
class Environment:
    """The running servers, and their data."""

    database_url: str
    servers: Mapping[str, ServerProcess]
    sealing: Mapping[str, Sealing]
    dataset: Dataset


@contextmanager
def populated(directory: Path, scale: float) -> Iterator[Environment]:
    """Populate a database, and run every server with it."""
    with ExitStack() as running:
        url = running.enter_context(migrated_database(directory))
        populate(url, SIZES.scaled(scale), encryption_key=ENCRYPTION_KEY)
        yield running.enter_context(serving(url, directory))


@contextmanager
def serving(url: str, directory: Path, *, rooms: int = 256) -> Iterator[Environment]:
    """Run every server with a migrated database.

    Args:
        url: the database. The floors get another database in the same server, because the service would otherwise seal
            their audit entries during the measurement.
        directory: the directory for logs.
        rooms: as in `benchmarks.dataset.prepare`.
    """
    with stagely_server(url, directory, name="preparing") as server, Sealing.of(url) as sealing:
        dataset = prepare(url, server, rooms=rooms)
        sealing.settle()
    with ExitStack() as running:
        floors = running.enter_context(another_database(url, f"floors_{secrets.token_hex(4)}", copied=True))
        _encrypt_for_floor(floors, dataset.resolved_project_id)
        servers = {
            STAGELY: stagely_server(url, directory),
            QUIET: stagely_server(url, directory, name="quiet", LOG_LEVEL="warn"),
            OPEN: open_server(url, directory),
            FLOORS: floor_server(floors, directory),
            PEERS: peer_server(floors, directory),
        }
        started = {name: running.enter_context(server) for name, server in servers.items()}
        yield Environment(url, started, {STAGELY: running.enter_context(Sealing.of(url))}, dataset)


def _encrypt_for_floor(url: str, project_id: str) -> None:
    """Encrypt the secrets of a project in the format of the floor."""
    key = AESGCM(RESOLVED_KEY)
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT id FROM secrets WHERE project_id = %s", [project_id]).fetchall()
        for (secret_id,) in found:
            nonce = secrets.token_bytes(NONCE_BYTES)
            sealed = base64.b64encode(nonce + key.encrypt(nonce, VALUE, secret_id.bytes)).decode()
            connection.execute("UPDATE secrets SET encrypted_value = %s WHERE id = %s", [sealed, secret_id])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
