"""The service as in production without authentication, which production refuses. Only for comparison."""

from __future__ import annotations

import uvloop

from stagely_rpc.process.run import serve
from stagely_rpc.settings.model import Settings, load
from stagely_rpc.telemetry.logs.configure import configure_logs


def main() -> None:
    """Run it with settings from the environment."""
    configure_logs("info", json=True)
    uvloop.run(serve(load(Settings), lambda _: None))


if __name__ == "__main__":
    main()
