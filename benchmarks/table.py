"""The result, for people and for programs."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import orjson
from rich.table import Table

from benchmarks.load import generator_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.measure import Measured, Round, Spread

_FIGURES: dict[str, Callable[[Round], float]] = {
    "calls/s": lambda measured: measured.row.calls_per_second,
    "of echo": lambda measured: measured.row.calls_per_second / measured.echo.calls_per_second,
    "of floor": lambda measured: measured.row.calls_per_second / measured.floor.calls_per_second,
    "p50 µs": lambda measured: measured.row.p50_micros,
    "echo times": lambda measured: measured.row.p50_micros / measured.echo.p50_micros,
    "floor times": lambda measured: measured.row.p50_micros / measured.floor.p50_micros,
}


def rendered(results: Sequence[Measured]) -> Table:
    """Return the table: throughput at 64 in flight, then latency at 1 in flight, each beside its ratios."""
    table = Table(title="throughput at 64 in flight, latency at 1; ratios to the floors: median (lowest-highest)")
    table.add_column("row")
    table.add_column("floor")
    for heading in _FIGURES:
        table.add_column(heading, justify="right")
    table.add_column("load")
    for measured in results:
        figures = [_text(heading, measured.spread(of_round)) for heading, of_round in _FIGURES.items()]
        floor = measured.row.floor.method.rpartition("/")[2]
        table.add_row(measured.row.name, floor, *figures, generator_of(measured.row.case))
    return table


def _text(heading: str, spread: Spread) -> str:
    if heading in ("calls/s", "p50 µs"):
        return f"{spread.median:,.0f}"
    return f"{spread.median:.2f} ({spread.lowest:.2f}-{spread.highest:.2f})"


def as_json(results: Sequence[Measured], **setting: object) -> bytes:
    """Return every round, the sums, and what they were measured on."""
    rows = [
        {
            "row": measured.row.name,
            "method": measured.row.case.method,
            "floor": measured.row.floor.method,
            "load": generator_of(measured.row.case),
            "sums": {heading: asdict(measured.spread(of_round)) for heading, of_round in _FIGURES.items()},
            "rounds": [asdict(measured_round) for measured_round in measured.rounds],
        }
        for measured in results
    ]
    return orjson.dumps({"setting": {**machine(), **setting}, "rows": rows}, option=orjson.OPT_INDENT_2)


def machine() -> dict[str, Any]:
    """Return what a result depends on beside the code."""
    packages = ("grpcio", "sqlalchemy", "psycopg", "protobuf", "pydantic", "uvloop")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        **{package: version(package) for package in packages},
    }
