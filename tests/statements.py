"""What a server asks of its database."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagely_rpc.server import Server


@contextmanager
def statements(server: Server) -> Iterator[list[str]]:
    """Collect the text of every statement that a server executes during the block."""
    executed: list[str] = []

    def note(*details: Any) -> None:
        executed.append(details[2])

    engine = server._db._engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield executed
    finally:
        event.remove(engine, "before_cursor_execute", note)
