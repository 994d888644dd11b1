"""Migrations of a database.

Any number of processes may migrate a database at once. A session-level advisory lock lets one of them work; the others
poll for the lock and then find nothing to do. Each revision is one transaction, so a failure keeps earlier revisions.

Every `url` is a libpq connection string (`postgresql://` or `postgres://`, with any libpq parameters), parsed by libpq.
Every function raises `MigrationError` on failure.
"""

from __future__ import annotations

import re
import time
from argparse import Namespace
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import psycopg
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, NullPool, create_engine, func, literal, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import BigInteger

from stagely_rpc.db.driver.failures import one_line, why_unreachable
from stagely_rpc.db.schema import revision
from stagely_rpc.db.schema.versions import why_too_old

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from alembic.runtime.migration import MigrationInfo

LOCK_TIMEOUT_SECONDS = 5.0
WAIT_SECONDS = 300.0
POLL_SECONDS = 0.1
MIGRATION_LOCK = 0x5354_4147_454C_5901
"""The key of the advisory lock ("STAGELY" and a 1). Advisory locks are per database."""
LONGEST_NAME = 60


class MigrationError(Exception):
    """The schema could not be migrated or read. The message is one line without passwords."""


def migrations_directory() -> Path:
    """Return the directory of `env.py` and the revisions: in the installed package, or at the top of a source tree."""
    try:
        return revision.migrations_directory()
    except revision.NotInstalledError as error:
        raise MigrationError(str(error)) from error


def head_revision() -> str:
    """Return the newest revision of this version of the code."""
    return _revisions()[-1]


def current_revision(url: str) -> str | None:
    """Return the revision of the database; None if it has none."""
    with _connected(url) as connection:
        return _current_revision(connection)


def upgrade(
    url: str,
    revision: str = "head",
    *,
    lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS,
    wait_seconds: float = WAIT_SECONDS,
) -> list[str]:
    """Apply the revisions up to `revision` (an id, `head` or `+N`). Return the revisions that this call applied.

    Args:
        url: the database.
        revision: the target. If it is already applied, nothing is done.
        lock_timeout_seconds: how long a statement waits for a lock on a table.
        wait_seconds: how long to wait for another process that migrates this database.
    """
    _refuse_unknown(revision, r"head|\+[1-9]\d*")
    with _locked(url, lock_timeout_seconds, wait_seconds) as connection:
        return _run(connection, command.upgrade, revision)


def downgrade(
    url: str,
    revision: str = "-1",
    *,
    lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS,
    wait_seconds: float = WAIT_SECONDS,
) -> list[str]:
    """Undo the revisions after `revision` (an id, `base` or `-N`). Return the revisions that this call undid.

    The other arguments are the same as in `upgrade`.
    """
    _refuse_unknown(revision, r"base|-[1-9]\d*")
    with _locked(url, lock_timeout_seconds, wait_seconds) as connection:
        return _run(connection, command.downgrade, revision)


def check(url: str) -> None:
    """Check that the database is at the head revision, and that its schema matches the models."""
    with _connected(url) as connection:
        current, head = _current_revision(connection), head_revision()
        if current != head:
            message = f"the database is at revision {current or 'none'}, the code needs {head}"
            raise MigrationError(message)
        config = _config(connection=connection)
        with _as_migration_error():
            command.check(config)


def create_revision(name: str) -> Path:
    """Create an empty revision with the next number, `NNN_name.py`. Return its path."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or len(name) > LONGEST_NAME:
        message = f"a revision's name must be lower_snake_case with at most {LONGEST_NAME} characters, not {name!r}"
        raise MigrationError(message)
    if migrations_directory().name == "_migrations":
        message = "revisions can be created only in a source tree, and this is an installed package"
        raise MigrationError(message)
    number = f"{int(head_revision()) + 1:03d}"
    with _as_migration_error():
        ScriptDirectory.from_config(_config()).generate_revision(number, name)
    return migrations_directory() / "versions" / f"{number}_{name}.py"


def _config(**attributes: object) -> Config:
    config = Config(cmd_opts=Namespace(quiet=True), attributes=attributes)
    config.set_main_option("script_location", str(migrations_directory()).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.set_main_option("truncate_slug_length", str(LONGEST_NAME))
    return config


def _revisions() -> list[str]:
    """Return all revision ids, oldest first."""
    with _as_migration_error():
        script = ScriptDirectory.from_config(_config())
        return [step.revision for step in script.walk_revisions("base", "head")][::-1]


def _refuse_unknown(revision: str, symbolic: str) -> None:
    if not re.fullmatch(symbolic, revision) and revision not in _revisions():
        message = f"unknown revision {revision!r}"
        raise MigrationError(message)


def _current_revision(connection: Connection) -> str | None:
    """Read the revision. Leave no transaction open, because alembic would leave its commit to the caller."""
    with _as_migration_error():
        current = MigrationContext.configure(connection).get_current_revision()
    connection.rollback()
    return current


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = create_engine("postgresql+psycopg://", creator=lambda: _connect(url), poolclass=NullPool)
    with _as_migration_error(), engine.connect() as connection:
        yield connection


def _connect(url: str) -> psycopg.Connection[Any]:
    try:
        return psycopg.connect(url, fallback_application_name="stagely-rpc migrate")
    except psycopg.ProgrammingError:
        message = "libpq can't parse the database url"
        raise MigrationError(message) from None
    except psycopg.Error as error:
        message = f"the database is unreachable: {why_unreachable(error, url)}"
        raise MigrationError(message) from None


@contextmanager
def _locked(url: str, lock_timeout_seconds: float, wait_seconds: float) -> Iterator[Connection]:
    """Connect and take the migration lock. The lock ends with the connection."""
    with _connected(url) as connection:
        _refuse_old(connection)
        _refuse_pooler(connection)
        _take_lock(connection, wait_seconds)
        timeout = text("SELECT set_config('lock_timeout', :milliseconds, false)")
        connection.execute(timeout, {"milliseconds": f"{lock_timeout_seconds * 1000:.0f}"})
        connection.commit()
        yield connection


def _refuse_old(connection: Connection) -> None:
    """Check that the server's version is supported."""
    if reason := why_too_old(_driver_connection(connection).info):
        raise MigrationError(reason)


def _refuse_pooler(connection: Connection) -> None:
    """Check that no pooler is in between, because it could lose the session-level lock."""
    # A pooler such as PgBouncer reports its own process id for CancelRequest.
    if connection.scalar(select(func.pg_backend_pid())) != _driver_connection(connection).info.backend_pid:
        raise MigrationError("a connection pooler is in between: migrate with a direct url of PostgreSQL")
    connection.rollback()


def _driver_connection(connection: Connection) -> psycopg.Connection[Any]:
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection)


def _take_lock(connection: Connection, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    attempt = select(func.pg_try_advisory_lock(literal(MIGRATION_LOCK, BigInteger)))
    while not connection.scalar(attempt):
        # Sleep outside a transaction, because the index builds of the lock's holder wait for open transactions.
        connection.rollback()
        if time.monotonic() >= deadline:
            message = f"another process is migrating this database, and did not finish within {wait_seconds:g} s"
            raise MigrationError(message)
        time.sleep(POLL_SECONDS)
    connection.commit()


def _run(connection: Connection, move: Callable[[Config, str], None], revision: str) -> list[str]:
    """Run an alembic command from the current revision, with the lock held."""
    current, revisions = _current_revision(connection), _revisions()
    if current is not None and current not in revisions:
        message = (
            f"the database is at revision {current}, ahead of the newest revision of this version, {revisions[-1]}"
        )
        raise MigrationError(message)
    steps: list[MigrationInfo] = []

    def record(*, step: MigrationInfo, **_: object) -> None:
        steps.append(step)

    try:
        with _as_migration_error():
            move(_config(connection=connection, on_version_apply=record), revision)
    except MigrationError as error:
        reached = steps[-1].destination_revision_ids[:1] if steps else (current,)
        raise MigrationError(f"migrating stopped at {''.join(filter(None, reached)) or 'base'}: {error}") from error
    return [revision_id for step in steps for revision_id in step.up_revision_ids]


@contextmanager
def _as_migration_error() -> Iterator[None]:
    try:
        yield
    except CommandError as error:
        raise MigrationError(one_line(error)) from error
    except DBAPIError as error:
        raise MigrationError(one_line(error.orig or error)) from error
