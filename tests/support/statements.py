"""Records the statements that calls send to the database."""

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
def round_trips(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[str]]]:
    """Collect the statements of each round trip that calls make during the block."""
    sent: list[list[str]] = []
    run, execute = pipeline.run, psycopg.AsyncCursor.execute

    # Background jobs have no current call, and are not recorded.
    async def recorded_run(connection: Any, prepared: Any, steps: Any) -> Any:
        if current_call.get(None) is not None:
            sent.append([step.decode() if isinstance(step, bytes) else step.statement.text.decode() for step in steps])
        return await run(connection, prepared, steps)

    async def recorded_execute(cursor: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        if current_call.get(None) is not None:
            sent.append([str(query)])
        return await execute(cursor, query, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr("stagely_rpc.db.driver.lease.run", recorded_run)
        patched.setattr(psycopg.AsyncCursor, "execute", recorded_execute)
        yield sent


@contextmanager
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Collect every statement that calls send during the block, including BEGIN and COMMIT."""
    with round_trips(monkeypatch) as sent:
        executed: list[str] = []
        yield executed
    executed += [statement for round_trip in sent for statement in round_trip]
