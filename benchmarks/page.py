"""`docs/performance.md` and its plots, from a report and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.plots import plots
from benchmarks.processes import ROOT
from benchmarks.report import lines, shown
from benchmarks.rows import LATENCY, P50, P99, RATE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.report import MeasuredCurve, MeasuredRow, Report

DOCS = ROOT / "docs"

_HEAD = """\
# How fast it is

<!-- Made by `make bench`: what is edited here by hand is lost. -->

Every figure here is of one run of `make bench`, and every ratio of figures that were measured beside each other in it.
How the load is made, what was tried, and where the time goes is in [performance-notes.md](performance-notes.md).

## What is measured

The service is `stagely-rpc serve` as in production: one worker, bearer tokens, policy, the audit trail with its sealer,
metrics, and the JSON access log at info, written to a file. It is measured against

- **echo**: a bare grpc.aio server with the same options, which returns what came;
- **raw query**: the same server, with the statement that the row can't do without, sent by hand over psycopg on one of
  as many pooled connections as the service has, and the whole message built of its rows; of ResolveSecrets, with one
  AES-GCM decryption for each secret;
- **raw write**: there, BEGIN, one statement, COMMIT, as three round trips. **Of one row**: the resource's; or, where
  nothing but the trail changes, the trail's. **Of the same rows**: the resource's, the trail's, and the place of that
  in the sealer's queue, by one statement;
- **peer**: the same method as it is usually written: a synchronous gRPC server over a thread pool with a SQLAlchemy
  session and an ORM object for each call, and none of what the service does beside.

Each server is a process of its own on the first CPU, one of them under load at a time; the load and an embedded
PostgreSQL, durable as `make dev` has it, take the other CPUs. The database holds {environments:,.0f} environments and
{secrets:,.0f} secrets of {teams:,.0f} teams. Reads are spread over 1,024 keys, and writes over 256 teams. The floors
have a copy of the database, so that the service does not seal their rows.

Calls per second are at 64 in flight over 8 connections, after a warm-up; latencies, where it says so, at 1 in flight.
In each of {rounds:.0f} rounds, what is compared is measured one right after the other, {seconds:g} s each, in an order
that changes. A ratio is of one round; the median of the rounds is followed by the lowest and the highest. A run in
which any call fails gives no result.
"""


def write(report: Report, directory: Path = DOCS) -> None:
    """Write the page and the plots."""
    for name, content in files(report).items():
        (directory / name).write_text(content)


def files(report: Report) -> dict[str, str]:
    """Return the page and the plots, by their names."""
    drawn = {_plot_name(curve, kind): content for curve in report.curves for kind, content in plots(curve).items()}
    return {"performance.md": "\n".join(_page(report)), **drawn}


def _page(report: Report) -> Iterator[str]:
    yield _HEAD.format(**report.setting)
    yield "## The table\n"
    yield from _ratios(report.rows)
    yield "\n## The service's own figures\n"
    yield from _figures(report.rows)
    yield "\n## By concurrency\n"
    for curve in report.curves:
        for kind in ("throughput", "latency"):
            yield f"![{curve.name}: {kind} by concurrency]({_plot_name(curve, kind)})\n"
    yield "## The machine\n"
    yield from _machine(report)


def _ratios(rows: list[MeasuredRow]) -> Iterator[str]:
    yield "| | service | against | | ratio | target | |"
    yield "|---|---:|---|---:|---:|---|---|"
    for line in lines(rows):
        figure = line.comparison.figure
        yield _row(
            line.row + (", p50 at 1 in flight" if figure == LATENCY else ""),
            shown(figure, line.value.median),
            line.comparison.to,
            shown(figure, line.other.median),
            f"{line.ratio.median:.2f} ({line.ratio.lowest:.2f}-{line.ratio.highest:.2f})",
            line.target,
            f"**{line.verdict}**" if line.is_reached is False else line.verdict,
        )


def _figures(rows: list[MeasuredRow]) -> Iterator[str]:
    yield "| | calls per second | p50 at 64, ms | p99 at 64, ms | p50 at 1, ms |"
    yield "|---|---:|---:|---:|---:|"
    for row in rows:
        spreads = [row.spread(figure, row.subjects[0]).median for figure in (RATE, P50, P99, LATENCY)]
        rate, *micros = spreads
        yield _row(row.name, f"{rate:,.0f}", *(f"{each / 1000:.2f}" for each in micros))


def _machine(report: Report) -> Iterator[str]:
    yield "| | |"
    yield "|---|---|"
    yield _row("measured", report.started)
    yield _row("commit", report.commit + (", and changes that are not committed" if report.is_dirty else ""))
    for name, value in report.machine.items():
        yield _row(name, value)
    yield f"\nEvery round is in [benchmarks/results/{report.file_name}](../benchmarks/results/{report.file_name}).\n"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _plot_name(curve: MeasuredCurve, kind: str) -> str:
    return f"performance-{curve.name.lower()}-{kind}.svg"
