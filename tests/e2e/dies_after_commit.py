"""`stagely-rpc serve`, killed at the first call that carries a `request_id`, between its commit and its answer."""

from __future__ import annotations

import os
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from stagely_rpc.__main__ import main
from stagely_rpc.db.engine import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stagely_rpc.db.session import WriteSession

_write = Database.write


@asynccontextmanager
async def _write_and_die(db: Database) -> AsyncIterator[WriteSession]:
    async with _write(db) as session:
        yield session
    if session.call.repeatable is not None:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    Database.write = _write_and_die  # type: ignore[method-assign, assignment]
    main()
