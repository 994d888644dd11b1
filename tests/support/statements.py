"""What a server asks of its database."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg

from stagely_rpc.call import current_call
from stagely_rpc.db.driver import pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


@contextmanager
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[str]]]:
    """Collect, of every wait for the database that calls make during the block, the statements that were sent in it."""
    made: list[list[str]] = []
    run, execute = pipeline.run, psycopg.AsyncCursor.execute

    # What is done in the background belongs to no call.
    async def noted_run(connection: Any, prepared: Any, steps: Any) -> Any:
        if current_call.get(None) is not None:
            made.append([step.decode() if isinstance(step, bytes) else step.statement.text.decode() for step in steps])
        return await run(connection, prepared, steps)

    async def noted_execute(cursor: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        if current_call.get(None) is not None:
            made.append([str(query)])
        return await execute(cursor, query, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr("stagely_rpc.db.driver.lease.run", noted_run)
        patched.setattr(psycopg.AsyncCursor, "execute", noted_execute)
        yield made


@contextmanager
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Collect the text of every statement, and of BEGIN and COMMIT, that calls send during the block."""
    with waits(monkeypatch) as made:
        executed: list[str] = []
        yield executed
    executed += [statement for wait in made for statement in wait]
