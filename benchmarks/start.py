"""`python -m benchmarks.start`: the time from exec to SERVING, on a migrated database."""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.processes import BenchmarkError, migrated_database, stagely_server, working_directory

if TYPE_CHECKING:
    from pathlib import Path

STARTS = 5

_TIMEOUT_SECONDS = 10.0
_POLL_SECONDS = 0.005


def main() -> None:
    """Start a server several times, and print how long each took."""
    with ExitStack() as running:
        directory = running.enter_context(working_directory())
        url = running.enter_context(migrated_database(directory))
        seconds = [seconds_to_serving(url, directory) for _ in range(STARTS)]
    print("seconds to SERVING:", ", ".join(f"{each:.2f}" for each in seconds))
    print(f"median: {statistics.median(seconds):.2f}")


def seconds_to_serving(url: str, directory: Path) -> float:
    """Start a server, wait until it is SERVING, and stop it; return how long that took."""
    started = time.perf_counter()
    with stagely_server(url, directory) as server, grpc.insecure_channel(server.target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        while stub.Check(health_pb2.HealthCheckRequest()).status != health_pb2.HealthCheckResponse.SERVING:
            if time.perf_counter() - started > _TIMEOUT_SECONDS:
                raise BenchmarkError(f"the server is not SERVING within {_TIMEOUT_SECONDS:g} s")
            time.sleep(_POLL_SECONDS)
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
