"""The benchmarks measure nothing here; they are run so that they still run when someone wants to know."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING

import orjson
import pytest

from benchmarks.cases import ECHO, Case, rows
from benchmarks.client import Job
from benchmarks.dataset import populate
from benchmarks.load import run_client, sample
from benchmarks.measure import Figures, Measured, Round, Spread
from benchmarks.processes import BenchmarkError, floor_server, stagely_server
from benchmarks.table import as_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.dataset import Dataset
    from benchmarks.processes import ServerProcess
    from tests.postgres import PostgresServer

CALLS = 4


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("benchmarks")


@pytest.fixture(scope="module")
def database_of_benchmarks(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    """A database of its own: its secrets are encrypted by the benchmarks' key."""
    url = postgres_server.create_database(template_database)
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(scope="module")
def stagely(database_of_benchmarks: str, directory: Path) -> Iterator[ServerProcess]:
    with stagely_server(database_of_benchmarks, directory) as server:
        yield server


@pytest.fixture(scope="module")
def floors(database_of_benchmarks: str, directory: Path) -> Iterator[ServerProcess]:
    with floor_server(database_of_benchmarks, directory) as server:
        yield server


@pytest.fixture(scope="module")
def dataset(database_of_benchmarks: str, stagely: ServerProcess) -> Dataset:
    return populate(database_of_benchmarks, stagely)


def test_every_row_and_every_floor_answers(stagely: ServerProcess, floors: ServerProcess, dataset: Dataset) -> None:
    every = rows(dataset)

    for case in {ECHO, *(row.floor for row in every), *(row.case for row in every)}:
        assert sample(floors if case.is_floor else stagely, case) > 0


def test_client_makes_the_calls_that_it_is_told_to(stagely: ServerProcess, dataset: Dataset) -> None:
    requests = [
        (row.case.method, base64.b64encode(body).decode()) for row in rows(dataset) for body in row.case.bodies[:1]
    ]

    result = run_client(Job(stagely.target, list(stagely.metadata), requests, connections=1, in_flight=2, calls=CALLS))

    assert result.calls == CALLS
    assert result.p50_micros > 0
    assert stagely.refusals() == []


def test_refused_call_fails_the_run(stagely: ServerProcess) -> None:
    case = Case("/stagely.v1.TeamService/GetTeam", (b"",))

    with pytest.raises(BenchmarkError, match="GetTeam fails: key: one of id, slug is required"):
        sample(stagely, case)

    # The caller has its answer a moment before the log has its line.
    refusals: list[str] = []
    deadline = time.monotonic() + 5
    while not refusals and time.monotonic() < deadline:
        refusals += stagely.refusals()
    assert [orjson.loads(line)["code"] for line in refusals] == ["INVALID_ARGUMENT"]


def test_result_is_the_median_of_the_ratios_of_the_rounds(dataset: Dataset) -> None:
    measured = Measured(rows(dataset)[0])
    for row_calls in (500, 300, 200):
        figures = [Figures(calls, 1000) for calls in (2000, 1000, row_calls)]
        measured.rounds.append(Round(*figures))

    sums = orjson.loads(as_json([measured]))["rows"][0]["sums"]

    assert Spread(**sums["of floor"]) == Spread(median=0.3, lowest=0.2, highest=0.5)
    assert Spread(**sums["of echo"]) == Spread(median=0.15, lowest=0.1, highest=0.25)
