"""The table, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from benchmarks.report import lines, shown
from benchmarks.rows import LATENCY

if TYPE_CHECKING:
    from benchmarks.report import MeasuredRow

_STYLES = {None: "", True: "green", False: "red"}


def rendered(rows: list[MeasuredRow]) -> Table:
    """Return the table: a line for each comparison."""
    table = Table(title="throughput at 64 in flight, latency at 1; ratios within each round: median (lowest-highest)")
    for heading in ("row", "service", "against", "", "ratio", "target", ""):
        table.add_column(heading, justify="right" if heading in ("service", "ratio", "target") else "left")
    for line in lines(rows):
        figure = line.comparison.figure
        table.add_row(
            line.row + (", p50" if figure == LATENCY else ""),
            shown(figure, line.value.median),
            line.comparison.to,
            shown(figure, line.other.median),
            f"{line.ratio.median:.2f} ({line.ratio.lowest:.2f}-{line.ratio.highest:.2f})",
            line.target,
            line.verdict,
            style=_STYLES[line.is_reached],
        )
    return table
