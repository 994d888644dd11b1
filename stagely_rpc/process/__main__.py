"""The program of a worker. The supervisor starts it: `python -m stagely_rpc.process 1 7`."""

from __future__ import annotations

import os
import sys

from stagely_rpc.process.startup import lean_imports


def main() -> None:
    """Run the worker with a number. The second argument is the descriptor of its socket to the supervisor."""
    number, descriptor = map(int, sys.argv[1:])
    # Silence gRPC's core, because the server logs the same errors itself.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    with lean_imports():
        from stagely_rpc.process.worker import run  # noqa: PLC0415
    sys.exit(run(number, descriptor))


if __name__ == "__main__":
    main()
