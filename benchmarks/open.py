"""The service as in production, but with authentication off, which production refuses: for comparison alone."""

from __future__ import annotations

import uvloop

from stagely_rpc.logs import configure_logs
from stagely_rpc.serving import serve
from stagely_rpc.settings import Settings, load


def main() -> None:
    """Run it with settings from the environment."""
    configure_logs("info", json=True)
    uvloop.run(serve(load(Settings), lambda _: None))


if __name__ == "__main__":
    main()
