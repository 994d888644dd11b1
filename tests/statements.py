"""What a server asks of its database."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from stagely_rpc.call import current_call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagely_rpc.server import Server


@contextmanager
def statements(server: Server) -> Iterator[list[str]]:
    """Collect the text of every statement that a server executes for its calls during the block."""
    executed: list[str] = []

    def note(*details: Any) -> None:
        # What is done in the background belongs to no call.
        if current_call.get(None) is not None:
            executed.append(details[2])

    engine = server._db._engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield executed
    finally:
        event.remove(engine, "before_cursor_execute", note)
