"""`stagely-rpc serve`, except that a share of its writes fail with UNAVAILABLE after their commit."""

from __future__ import annotations

import os
import random
from typing import Any

from stagely_rpc.__main__ import main
from stagely_rpc.db.write_session import WriteSession
from stagely_rpc.errors import UnavailableError

_exit = WriteSession.__aexit__
_share = float(os.environ["STAGELY_TEST_LOST_SHARE"])


async def _exit_and_lose_response(session: WriteSession, kind: Any, error: Any, traceback: Any) -> None:
    await _exit(session, kind, error, traceback)
    if error is None and random.random() < _share:  # noqa: S311 - no secret
        raise UnavailableError("the response is lost")


if __name__ == "__main__":
    WriteSession.__aexit__ = _exit_and_lose_response  # type: ignore[method-assign, assignment]
    main()
