"""The program of one worker of `serve --workers`, which the supervisor starts: `python -m stagely_rpc.process 1 7`."""

from __future__ import annotations

import os
import sys

from stagely_rpc.process.startup import lean_imports


def main() -> None:
    """Serve as the worker with a number, linked to the supervisor by an open socket."""
    number, descriptor = map(int, sys.argv[1:])
    # gRPC's core would say in lines of its own what the server says in one.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    with lean_imports():
        from stagely_rpc.process.worker import run  # noqa: PLC0415
    sys.exit(run(number, descriptor))


if __name__ == "__main__":
    main()
