"""Load on a server from `benchmarks.client`, a separate process."""

from __future__ import annotations

import base64
import itertools
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import orjson

from benchmarks.client import Job, Result
from benchmarks.processes import ROOT, BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.cases import Case
    from benchmarks.processes import ServerProcess

OVERHEAD_SECONDS = 60

_MAX_CONNECTIONS = 8
_WARM_UP_SHARE = 0.25
_ATTEMPTS = 3
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Load:
    """The concurrency and the duration of a load."""

    in_flight: int
    seconds: float


def measure(server: ServerProcess, case: Case, load: Load) -> Result:
    """Put load on a method.

    Raises:
        BenchmarkError: a call failed, or no call ended in time.
    """
    for _ in range(_ATTEMPTS):
        result = run_client(server, job_of(server, [case], load))
        # With one call in flight, a write may wait that long for a shared disk.
        if result.calls:
            return result
    raise BenchmarkError(f"no call of {case.method} ended within {load.seconds:g} s: measure for longer")


def job_of(server: ServerProcess, cases: Sequence[Case], load: Load, *, calls: int = sys.maxsize) -> Job:
    """Return a job with the mixed turns of the cases, for some time or a number of calls."""
    mixed = zip(*(itertools.islice(itertools.cycle(case.turns), _longest(cases)) for case in cases), strict=True)
    return Job(
        server.target,
        list(server.metadata),
        [
            [(case.method, base64.b64encode(body).decode()) for body in turn]
            for turns in mixed
            for case, turn in zip(cases, turns, strict=True)
        ],
        connections=min(load.in_flight, _MAX_CONNECTIONS),
        in_flight=load.in_flight,
        warm_up_seconds=load.seconds * _WARM_UP_SHARE if calls == sys.maxsize else 0,
        seconds=load.seconds,
        calls=calls,
        number=next(_numbers),
    )


def _longest(cases: Sequence[Case]) -> int:
    return max(len(case.turns) for case in cases)


def run_client(server: ServerProcess, job: Job) -> Result:
    """Run a job in the client.

    Raises:
        BenchmarkError: a call failed.
    """
    client = subprocess.run(
        [sys.executable, "-m", "benchmarks.client"],
        cwd=ROOT,
        input=orjson.dumps(asdict(job)),
        capture_output=True,
        check=False,
        timeout=job.warm_up_seconds + job.seconds + OVERHEAD_SECONDS,
    )
    if client.returncode:
        *_, reason = client.stderr.decode().splitlines()
        raise BenchmarkError(f"{job.turns[0][0][0]} failed: {reason}: {server.last_refusal()}")
    return Result(**orjson.loads(client.stdout))
