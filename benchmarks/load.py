"""The load: h2load where it is installed and one request will do, else the client beside this module."""

from __future__ import annotations

import base64
import re
import shutil
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import orjson

from benchmarks.client import Job, Result
from benchmarks.processes import BenchmarkError

if TYPE_CHECKING:
    from benchmarks.cases import Case
    from benchmarks.processes import ServerProcess

H2LOAD = shutil.which("h2load")
OVERHEAD_SECONDS = 60

_WARM_UP_MILLISECONDS = 200
_FRAME_HEADER_BYTES = 5
# Calls that the end cuts off; messages whose times are a byte shorter.
_LEAST_OF_SAMPLE = 0.9
_SUMMARY = re.compile(r"finished in ([\d.]+)(m?s), ")
_DONE = re.compile(r"requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout")
_TRAFFIC = re.compile(r"traffic: .*\((\d+)\) data")


@dataclass(frozen=True)
class Load:
    """How hard and how long."""

    connections: int
    streams: int
    seconds: float


def generator_of(case: Case) -> str:
    """Return which generator a case gets."""
    return "h2load" if H2LOAD and len(case.bodies) == 1 else "grpc.aio client"


def measure(server: ServerProcess, case: Case, load: Load, directory: Path) -> Result:
    """Put load on a method.

    Raises:
        BenchmarkError: an answer was not OK.
    """
    if generator_of(case) == "h2load":
        return _h2load(server, case, load, directory)
    requests = [(case.method, base64.b64encode(body).decode()) for body in case.bodies]
    in_flight = load.connections * load.streams
    job = Job(server.target, list(server.metadata), requests, load.connections, in_flight, seconds=load.seconds)
    return run_client(job)


def run_client(job: Job) -> Result:
    """Have the Python client do a job.

    Raises:
        BenchmarkError: a call failed.
    """
    client = subprocess.run(
        [sys.executable, "-m", "benchmarks.client"],
        cwd=Path(__file__).resolve().parents[1],
        input=orjson.dumps(asdict(job)),
        capture_output=True,
        check=False,
        timeout=job.seconds + OVERHEAD_SECONDS,
    )
    if client.returncode:
        raise BenchmarkError(f"a call failed:\n{client.stderr.decode()}")
    return Result(**orjson.loads(client.stdout))


def sample(server: ServerProcess, case: Case) -> int:
    """Make one call, and return how many bytes it answers.

    Raises:
        BenchmarkError: its status is not OK.
    """
    with grpc.insecure_channel(server.target) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(case.method, bytes, bytes)
        try:
            answer = call(case.bodies[0], timeout=10, metadata=server.metadata)
        except grpc.RpcError as error:
            raise BenchmarkError(f"{case.method} fails: {error.details()}") from error
    return len(answer)


def _h2load(server: ServerProcess, case: Case, load: Load, directory: Path) -> Result:
    expected_bytes = sample(server, case) + _FRAME_HEADER_BYTES
    frame, log = directory / "frame", directory / "h2load.log"
    frame.write_bytes(b"\0" + len(case.bodies[0]).to_bytes(4, "big") + case.bodies[0])
    log.unlink(missing_ok=True)
    report = _run_h2load(
        f"--duration={round(load.seconds * 1000)}ms",
        f"--warm-up-time={_WARM_UP_MILLISECONDS}ms",
        f"--clients={load.connections}",
        f"--max-concurrent-streams={load.streams}",
        f"--data={frame}",
        *("--header=te: trailers", "--header=content-type: application/grpc"),
        *(f"--header={key}: {value}" for key, value in server.metadata),
        f"--log-file={log}",
        f"http://{server.target}{case.method}",
    )
    calls = _checked_calls(report, expected_bytes)
    sample(server, case)
    return Result(calls, load.seconds, _median_micros(log))


def _run_h2load(*arguments: str) -> str:
    assert H2LOAD is not None
    return subprocess.run([H2LOAD, *arguments], check=True, capture_output=True, text=True).stdout


def _checked_calls(report: str, expected_bytes: int) -> int:
    """Return how many calls were answered; h2load counts every HTTP 200, so what they brought must be enough too."""
    done, traffic = _DONE.search(report), _TRAFFIC.search(report)
    if done is None or traffic is None:
        raise BenchmarkError(f"h2load reports what is not understood here:\n{report}")
    succeeded, *others = map(int, done.groups())
    if any(others) or int(traffic[1]) < succeeded * expected_bytes * _LEAST_OF_SAMPLE:
        raise BenchmarkError(f"answers are missing, or shorter than {expected_bytes} bytes:\n{report}")
    return succeeded


def _median_micros(log: Path) -> float:
    """Return the median latency; a line of h2load's log is start, HTTP status, microseconds."""
    return statistics.median(int(line.split(b"\t")[2]) for line in log.read_bytes().splitlines())
