"""A large database that all workers of a run share, and the keys that the cases use."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, LiteralString
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from benchmarks.populate import populate
from benchmarks.sizes import Sizes
from stagely_rpc.db.paging import Cursor
from tests.support.rpc import ENCRYPTION_KEY

if TYPE_CHECKING:
    from tests.support.postgres import PostgresServer

# Small, but each growing table is large enough that PostgreSQL prefers an index scan to a sequential scan.
SIZES = Sizes(teams=2000, users=6000, projects=4000, environments=20_000, secrets=20_000, audit_logs=40_000)

_LOCK = 0x506C616E

_REST: LiteralString = """
INSERT INTO audit_seals (chain, position, audit_log_id, row_hash, hash)
SELECT team_id, row_number() OVER (PARTITION BY team_id ORDER BY timestamp, id), id, sha256(id::text::bytea),
    sha256(id::text::bytea)
FROM audit_logs WHERE team_id IS NOT NULL AND timestamp < now() - interval '30 days';
INSERT INTO audit_unsealed SELECT timestamp, id FROM audit_logs WHERE timestamp >= now() - interval '30 days';
INSERT INTO audit_chain_heads SELECT chain, max(position), sha256(''), sha256('') FROM audit_seals GROUP BY chain;
INSERT INTO idempotency_keys
SELECT 'api', gen_random_uuid(), sha256('answer'), now() + n * interval '1 minute' FROM generate_series(-50, 5000) n;
"""
_INVISIBLE = "SELECT FROM pg_class WHERE relname IN ('audit_logs', 'environments') AND relallvisible = 0"
_SECONDS = 10
_KEYS: LiteralString = """
WITH team AS (SELECT id AS team_id FROM teams WHERE slug = 'team-0'),
project AS (SELECT id AS project_id FROM projects WHERE slug = 'app-0'),
member AS (SELECT user_id FROM team_members NATURAL JOIN team ORDER BY user_id LIMIT 1),
environment AS (SELECT id AS environment_id, subdomain_hash, branch_name, pr_number, created_at AS environment_created
    FROM environments NATURAL JOIN project WHERE pr_number IS NOT NULL ORDER BY created_at OFFSET 100 LIMIT 1),
secret AS (SELECT id AS secret_id, key AS secret_key FROM secrets NATURAL JOIN project ORDER BY key LIMIT 1),
entry AS (SELECT id AS audit_log_id, timestamp AS logged, actor_id, resource_id, request_id
    FROM audit_logs NATURAL JOIN project WHERE actor_id IS NOT NULL ORDER BY timestamp OFFSET 50 LIMIT 1),
claim AS (SELECT request_id AS claimed_id FROM idempotency_keys LIMIT 1)
SELECT * FROM team, project, member, environment, secret, entry, claim
"""


@dataclass(frozen=True)
class Keys:
    """Keys of the largest team, its largest project, one of its members, and an old row of each other kind."""

    team_id: uuid.UUID
    project_id: uuid.UUID
    user_id: uuid.UUID
    environment_id: uuid.UUID
    subdomain_hash: str
    branch_name: str
    pr_number: int
    environment_created: datetime
    secret_id: uuid.UUID
    secret_key: str
    audit_log_id: uuid.UUID
    logged: datetime
    actor_id: uuid.UUID
    resource_id: uuid.UUID
    request_id: str
    claimed_id: uuid.UUID

    @property
    def later(self) -> Cursor:
        """A position far down in every list."""
        return Cursor(self.environment_created, self.environment_id)


@dataclass(frozen=True)
class World:
    """A populated database."""

    url: str
    keys: Keys


def populated(server: PostgresServer) -> World:
    """Return the populated database of the run. The first caller creates it."""
    url = urlunsplit(urlsplit(server.url)._replace(path=f"/stagely_test_{server.run}_populated"))
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", [_LOCK, server.run])
        if not _exists(admin, url):
            _make(server, admin, url)
    with psycopg.connect(url) as connection:
        keys = connection.cursor(row_factory=class_row(Keys)).execute(_KEYS).fetchone()
    assert keys is not None
    return World(url, keys)


def _exists(admin: psycopg.Connection, url: str) -> bool:
    name = urlsplit(url).path.removeprefix("/")
    return admin.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount == 1


def _make(server: PostgresServer, admin: psycopg.Connection, url: str) -> None:
    """Populate a draft, then rename it, so that no worker finds a partial database."""
    draft = server.create_database(server.migrated_template())
    populate(draft, SIZES, encryption_key=bytes.fromhex(ENCRYPTION_KEY))
    with psycopg.connect(draft, autocommit=True) as connection:
        connection.execute(_REST)
        _vacuum(connection)
    names = (sql.Identifier(urlsplit(each).path.removeprefix("/")) for each in (draft, url))
    admin.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*names))


def _vacuum(connection: psycopg.Connection) -> None:
    """Vacuum until all rows are marked as visible to all, which index-only scans need.

    The server commits asynchronously, so VACUUM can't mark rows of the latest commits yet.
    """
    deadline = time.monotonic() + _SECONDS
    connection.execute("VACUUM ANALYZE")
    while connection.execute(_INVISIBLE).rowcount:
        assert time.monotonic() < deadline, "VACUUM did not mark all rows as visible"
        time.sleep(0.2)
        connection.execute("VACUUM ANALYZE")
