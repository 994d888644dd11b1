"""Runs `stagely-rpc serve`, and kills it between commit and response of the first call with a `request_id`."""

from __future__ import annotations

import os
import signal
from typing import Any

from stagely_rpc.__main__ import main
from stagely_rpc.db.write_session import WriteSession

_exit = WriteSession.__aexit__


async def _exit_and_die(session: WriteSession, *error: Any) -> None:
    await _exit(session, *error)
    if session.call.idempotent_request is not None:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    WriteSession.__aexit__ = _exit_and_die  # type: ignore[method-assign, assignment]
    main()
