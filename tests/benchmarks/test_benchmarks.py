"""The benchmarks measure nothing here; they are run so that they still run when someone wants to know."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from benchmarks import memory, page, table
from benchmarks.cases import Case
from benchmarks.client import dealt, perform
from benchmarks.curves import LEVELS, Point
from benchmarks.environment import Environment, serving
from benchmarks.http2 import CallError
from benchmarks.load import Load, job_of, run_client
from benchmarks.machine import git, machine
from benchmarks.measure import Bench, Figures, Spread, in_turn
from benchmarks.plots import plots
from benchmarks.processes import BenchmarkError
from benchmarks.report import MeasuredCurve, MeasuredRow, Report, lines, newest, read, written
from benchmarks.revision import checked_out
from benchmarks.rows import LATENCY, RATE, STAGELY, Comparison, Row, rows
from stagely_rpc.audit.sealer import INTERVAL_SECONDS
from tests.support.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.client import Job
    from benchmarks.rows import Subject
    from tests.support.postgres import PostgresServer

ROOMS = 4
IN_FLIGHT = 3
NOT_FOR_TIME = Load(IN_FLIGHT, 60)


@pytest.fixture(scope="module")
def environment(
    postgres_server: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Environment]:
    """Every server, over a database of its own: its secrets are encrypted by the benchmarks' key."""
    url = postgres_server.create_database(template_database)
    with serving(url, tmp_path_factory.mktemp("benchmarks"), rooms=ROOMS) as running:
        yield running
    postgres_server.drop_database(url)


@pytest.fixture(scope="module")
def every(environment: Environment) -> dict[str, Row]:
    return {row.name: row for row in rows(environment.dataset)}


def job_for(environment: Environment, subject: Subject, *, calls: int) -> Job:
    return job_of(environment.servers[subject.server], [subject.case], NOT_FOR_TIME, calls=calls)


async def test_every_row_and_every_floor_answers(environment: Environment, every: dict[str, Row]) -> None:
    for row in every.values():
        for subject in row.subjects:
            assert (await perform(job_for(environment, subject, calls=IN_FLIGHT))).calls >= IN_FLIGHT


def test_row_is_compared_with_what_it_measures(every: dict[str, Row]) -> None:
    for row in every.values():
        about, *others = [subject.name for subject in row.subjects]
        assert {comparison.to for comparison in row.comparisons} == set(others)
        assert about not in others


def test_round_measures_each_subject_of_a_row(environment: Environment, every: dict[str, Row]) -> None:
    bench = Bench(environment.servers, environment.sealing, seconds=0.5)

    found = bench.round(every["GenerateId"], 0)

    assert found.keys() == {"service", "echo"}
    for figures in found.values():
        assert figures.calls_per_second > 0
        assert figures.p99_micros >= figures.p50_micros > 0
        assert figures.alone_p50_micros > 0


async def test_turn_that_was_begun_is_ended(environment: Environment, every: dict[str, Row]) -> None:
    subject = every["TransitionEnvironment"].subjects[0]
    job = job_of(environment.servers[STAGELY], [subject.case], Load(1, 60), calls=1)

    assert (await perform(job)).calls == len(subject.case.turns[0]) == 3


def test_calls_in_flight_share_no_turn(environment: Environment) -> None:
    turns = [[("/one", bytes([number]))] for number in range(8)]
    job = job_of(environment.servers[STAGELY], [Case("/one", ((b"",),))], NOT_FOR_TIME)

    lanes = [dealt(turns, lane, job) for lane in range(IN_FLIGHT)]

    assert sorted(turn for lane in lanes for turn in lane) == turns


async def test_refused_call_fails_the_run(environment: Environment) -> None:
    server = environment.servers[STAGELY]
    job = job_of(server, [Case("/stagely.v1.TeamService/GetTeam", ((b"",),))], NOT_FOR_TIME, calls=1)

    with pytest.raises(CallError, match="answered by an error"):
        await perform(job)

    async def is_logged() -> bool:
        return '"code":"INVALID_ARGUMENT"' in server.last_refusal()

    await eventually(is_logged, expected=True)
    with pytest.raises(BenchmarkError, match=r"GetTeam failed: .*INVALID_ARGUMENT"):
        run_client(server, job)


async def test_nothing_is_sealed_while_sealing_is_paused(environment: Environment, every: dict[str, Row]) -> None:
    sealing = environment.sealing[STAGELY]
    sealing.settle()
    seals = count_of(environment, "audit_seals")

    with sealing.paused():
        result = await perform(job_for(environment, every["AccessSecret"].subjects[0], calls=IN_FLIGHT))
        await asyncio.sleep(2 * INTERVAL_SECONDS)
        assert count_of(environment, "audit_unsealed") == result.calls
        assert count_of(environment, "audit_seals") == seals
    sealing.settle()

    assert count_of(environment, "audit_unsealed") == 0
    assert count_of(environment, "audit_seals") == seals + result.calls


def count_of(environment: Environment, table_name: str) -> int:
    with psycopg.connect(environment.database_url) as connection:
        statement = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table_name))
        counts = connection.execute(statement).fetchall()
    return int(counts[0][0])


def test_memory_is_looked_at_after_each_step(environment: Environment) -> None:
    found = list(memory.measured(environment.servers[STAGELY], environment.dataset, calls=20, steps=2))

    assert [calls for calls, _ in found] == [10, 20]
    assert all(resident > 10 for _, resident in found)


def test_each_subject_is_the_first_of_some_round(every: dict[str, Row]) -> None:
    subjects = every["GetTeam"].subjects

    firsts = {in_turn(subjects, number)[0].name for number in range(2 * len(subjects))}

    assert firsts == {subject.name for subject in subjects}


def test_result_is_the_median_of_the_ratios_of_the_rounds() -> None:
    (line,) = lines([row_of(Comparison("floor", RATE, 0.3), [(500, 1000), (300, 1000), (200, 1000)])])

    assert line.ratio == Spread(median=0.3, lowest=0.2, highest=0.5)
    assert (line.value.median, line.other.median) == (300, 1000)


@pytest.mark.parametrize(
    ("figure", "limit", "verdict"),
    [(RATE, 0.4, "reached"), (RATE, 0.6, "missed"), (LATENCY, 0.4, "missed"), (LATENCY, 0.6, "reached")],
)
def test_target_is_a_least_throughput_or_a_highest_latency(figure: str, limit: float, verdict: str) -> None:
    (line,) = lines([row_of(Comparison("floor", figure, limit), [(500, 1000)])])

    assert line.verdict == verdict


def test_row_without_target_is_neither_reached_nor_missed() -> None:
    (line,) = lines([row_of(Comparison("floor"), [(500, 1000)])])

    assert (line.is_reached, line.target, line.verdict) == (None, "", "")


def row_of(comparison: Comparison, rounds: list[tuple[float, float]]) -> MeasuredRow:
    figures = [{"service": Figures(row, 1, 2, row), "floor": Figures(floor, 1, 2, floor)} for row, floor in rounds]
    return MeasuredRow("Row", ["service", "floor"], [comparison], figures)


@pytest.fixture(scope="module")
def report(environment: Environment) -> Report:
    points = [{"service": [Point(1000, 1000, 9000)] * len(LEVELS)}] * 2
    return Report(
        started="2026-01-02T03:04:05+00:00",
        commit="0123456789",
        is_dirty=True,
        setting={"rounds": 1, "seconds": 2, "teams": 4, "environments": 1000, "secrets": 400},
        machine=machine(environment.database_url),
        rows=[row_of(Comparison("floor", RATE, 0.6), [(500, 1000)])],
        curves=[MeasuredCurve("GetTeam", ["service"], list(LEVELS), points)],
    )


def test_report_is_read_as_it_was_written(report: Report, tmp_path: Path) -> None:
    path = tmp_path / report.file_name
    path.write_bytes(written(report))

    assert report.file_name == "2026-01-02-0123456789.json"
    assert read(path) == newest(tmp_path) == report


def test_what_is_no_report_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")

    with pytest.raises(BenchmarkError, match=r"other\.json is no report"):
        read(tmp_path / "other.json")
    with pytest.raises(BenchmarkError, match="there is no report in"):
        newest(tmp_path / "nowhere")


def test_page_and_table_tell_what_is_missed(report: Report) -> None:
    content = page.files(report)["performance.md"]

    assert "| Row | 500/s | floor | 1,000/s | 0.50 (0.50-0.50) | ≥ 0.6 | **missed** |" in content
    assert "0123456789, with uncommitted changes" in content
    assert table.rendered(report.rows).row_count == 1


def test_plots_need_nothing_from_elsewhere(report: Report) -> None:
    for plot in plots(report.curves[0]).values():
        addresses = set(re.findall(r"\w+://[^\s\"')]*", plot))
        assert addresses == {"http://www.w3.org/2000/svg"}
        assert "script" not in plot
        assert "<!--" not in plot


def test_page_and_plots_are_those_of_the_newest_report() -> None:
    for name, content in page.files(newest()).items():
        assert (page.DOCS / name).read_text() == content, f"{name}: run `python -m benchmarks --docs-from` the newest"


def test_revision_is_checked_out_and_removed_again(tmp_path: Path) -> None:
    with checked_out("HEAD", tmp_path) as checkout:
        assert (checkout / "stagely_rpc" / "__init__.py").exists()
        assert str(checkout) in git("worktree", "list")

    assert not checkout.exists()
    assert str(checkout) not in git("worktree", "list")


def test_unknown_revision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="no-such-revision"), checked_out("no-such-revision", tmp_path):
        pass
