"""`python -m benchmarks.profile GetTeam`: the profile of a row, from py-spy's samples of the server under load.

python -m benchmarks.profile GetTeam --of "raw query"     the profile of the subject that it is compared with
python -m benchmarks.profile SetSecret --stacks FILE      also write the samples as collapsed stacks, for a flame graph
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from benchmarks.environment import populated
from benchmarks.load import Load, measure
from benchmarks.measure import IN_FLIGHT
from benchmarks.processes import BenchmarkError, working_directory
from benchmarks.rows import SERVICE, Subject, rows

if TYPE_CHECKING:
    from benchmarks.environment import Environment
    from benchmarks.processes import ServerProcess

_SAMPLES_PER_SECOND = 400
_SETTLING_SECONDS = 3


def main() -> None:
    """Profile, and print the functions in which most of the time is spent."""
    arguments = _arguments()
    try:
        with working_directory() as directory, populated(directory, arguments.scale) as environment:
            subject = _chosen(environment, arguments.row, arguments.of)
            server, output = environment.servers[subject.server], directory / "stacks"
            stacks = profile(server, subject, arguments.seconds, output, native=arguments.native)
    except BenchmarkError as error:
        sys.exit(f"benchmarks: {error}")
    if arguments.stacks:
        arguments.stacks.write_text(stacks)
    Console(width=150).print(_rendered(stacks, arguments.functions))


def profile(server: ServerProcess, subject: Subject, seconds: float, output: Path, *, native: bool = False) -> str:
    """Return the collapsed stacks of a server under load. Each line has a stack, outermost first, and its samples.

    Raises:
        BenchmarkError: a call failed, or py-spy did.
    """
    load = Load(IN_FLIGHT, seconds + _SETTLING_SECONDS)
    with ThreadPoolExecutor(1) as beside:
        loaded = beside.submit(measure, server, subject.case, load)
        _sample(server.pid, seconds, output, native=native)
        loaded.result()
    return output.read_text()


def _sample(pid: int, seconds: float, output: Path, *, native: bool) -> None:
    """Sample what holds the interpreter's lock: what waits in epoll is not counted."""
    command = [str(Path(sys.executable).with_name("py-spy")), "record", "--format", "raw", "--function", "--gil"]
    options = {"pid": pid, "duration": round(seconds), "rate": _SAMPLES_PER_SECOND, "output": output}
    arguments = [f"--{name}={value}" for name, value in options.items()] + ["--native"] * native
    sampling = subprocess.run([*command, *arguments], check=False, capture_output=True, text=True)
    if sampling.returncode:
        raise BenchmarkError(f"py-spy can't look into the server: {sampling.stderr.strip()}")


def _rendered(stacks: str, functions: int) -> Table:
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        own[frames[-1]] += int(count)
        for frame in set(frames):
            total[frame] += int(count)
    table = Table("function", title="shares of all samples")
    for heading in ("own", "with what it calls"):
        table.add_column(heading, justify="right")
    for frame, samples in own.most_common(functions):
        table.add_row(frame, f"{samples / own.total():.1%}", f"{total[frame] / own.total():.1%}")
    return table


def _chosen(environment: Environment, row: str, name: str) -> Subject:
    for each in rows(environment.dataset):
        for subject in each.subjects:
            if each.name.startswith(row) and subject.name == name:
                return subject
    raise BenchmarkError(f"no row is called {row}, or it has no {name}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.profile",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("row", help="the beginning of its name")
    parser.add_argument("--of", default=SERVICE, metavar="NAME", help=f"of the row's subjects (default: {SERVICE})")
    parser.add_argument("--seconds", type=float, default=10, help="how long to look (default: 10)")
    parser.add_argument("--scale", type=float, default=0.01, help="of the database (default: 0.01)")
    parser.add_argument("--functions", type=int, default=40, help="print so many (default: 40)")
    parser.add_argument("--native", action="store_true", help="look into extension modules too")
    parser.add_argument("--stacks", type=Path, metavar="FILE", help="write the collapsed stacks to a file too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
