"""The rows of the table: what is measured, against what, and how it is to come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import cases
from benchmarks.cases import ECHO

if TYPE_CHECKING:
    from benchmarks.cases import Case
    from benchmarks.dataset import Dataset

RATE, P50, P99, LATENCY = "calls/s", "p50", "p99", "p50 at 1"
SERVICE, RAW, ECHOED, PEER = "service", "raw query", "echo", "peer"
ONE_ROW, SAME_ROWS = "raw write of one row", "raw write of the same rows"

# Where a case is measured: the keys of the running servers.
STAGELY, QUIET, OPEN, FLOORS, PEERS = "stagely", "quiet", "open", "floors", "peer"


@dataclass(frozen=True)
class Subject:
    """A subject of a measurement.

    Attributes:
        name: the name in the output. The first subject of a row gives the row its name.
        server: the server to call.
        case: the case to send.
        sealing: whether the sealer runs during the measurement.
    """

    name: str
    server: str
    case: Case
    sealing: bool = True


@dataclass(frozen=True)
class Comparison:
    """A ratio of the row's first subject to another one.

    Attributes:
        to: the name of the other subject.
        figure: calls per second at 64 in flight, or the median latency at 1.
        limit: the target: a minimum for calls per second, a maximum for latency; None without a target.
    """

    to: str
    figure: str = RATE
    limit: float | None = None


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    name: str
    subjects: tuple[Subject, ...]
    comparisons: tuple[Comparison, ...]


def rows(dataset: Dataset) -> list[Row]:
    """Return the rows, with the targets that were set for them."""
    new_secret, environment = cases.add_secret(dataset), cases.transition_environment(dataset)
    return [
        _read("GetTeam", cases.get_team(dataset)),
        _read("GetEnvironment", cases.get_environment(dataset)),
        _against("ListEnvironments, 100 of all", cases.list_environments(), RAW, "ListEnvironments", 0.8),
        _access_secret(cases.access_secret(dataset)),
        # At most twice the time of the floor.
        _against(
            "ResolveSecrets of 100", cases.resolve_secrets(dataset), "raw query and AES-GCM", "ResolveSecrets", 1 / 2
        ),
        _write("SetSecret, new", new_secret, "InsertSecret", "InsertAuditedSecret"),
        _write(
            "SetSecret, new, with request_id",
            cases.add_secret(dataset, with_request_id=True),
            "InsertSecret",
            "InsertAuditedSecret",
            limit=None,
        ),
        _write("SetSecret, replaced", cases.replace_secret(dataset), "UpdateSecret", "UpdateAuditedSecret"),
        _write("CreateEnvironment", cases.create_environment(dataset), "InsertEnvironment", "InsertAuditedEnvironment"),
        _write("TransitionEnvironment", environment, "UpdateEnvironment", "UpdateAuditedEnvironment"),
        _against_echo("Encrypt 1 KiB", cases.encrypt()),
        _against_echo("Decrypt 1 KiB", cases.decrypt()),
        _against_echo("GenerateId", cases.generate_id()),
        _beside("GetTeam, access log on", cases.get_team(dataset), "access log off", QUIET, 0.9),
        _beside("GetTeam, token and policy", cases.get_team(dataset), "neither", OPEN, None),
        _sealing("SetSecret of one team, audit chain on", cases.add_secret(dataset, teams=1), 0.75),
        _sealing("SetSecret of many teams, audit chain on", new_secret, 0.95),
    ]


def _read(method: str, case: Case) -> Row:
    floor = case.floor(method)
    subjects = (
        Subject(SERVICE, STAGELY, case),
        Subject(RAW, FLOORS, floor),
        Subject(ECHOED, FLOORS, ECHO),
        Subject(PEER, PEERS, case),
    )
    rates = (Comparison(RAW, limit=1.5), Comparison(ECHOED, limit=0.6), Comparison(PEER, limit=4))
    return Row(method, subjects, (*rates, Comparison(RAW, LATENCY, 1.6)))


def _access_secret(case: Case) -> Row:
    one, same = case.floor("InsertAuditLog"), case.floor("InsertQueuedAuditLog")
    floors = (Subject(ONE_ROW, FLOORS, one), Subject(SAME_ROWS, FLOORS, same))
    return Row(
        "AccessSecret",
        (Subject(SERVICE, STAGELY, case), *floors),
        (Comparison(ONE_ROW, limit=0.8), Comparison(SAME_ROWS)),
    )


def _write(name: str, case: Case, one: str, same: str, *, limit: float | None = 0.6) -> Row:
    floors = (Subject(ONE_ROW, FLOORS, case.floor(one)), Subject(SAME_ROWS, FLOORS, case.floor(same)))
    comparisons = (Comparison(ONE_ROW), Comparison(SAME_ROWS, limit=limit))
    return Row(name, (Subject(SERVICE, STAGELY, case), *floors), comparisons)


def _against(name: str, case: Case, to: str, method: str, limit: float) -> Row:
    subjects = (Subject(SERVICE, STAGELY, case), Subject(to, FLOORS, case.floor(method)))
    return Row(name, subjects, (Comparison(to, limit=limit),))


def _against_echo(name: str, case: Case) -> Row:
    subjects = (Subject(SERVICE, STAGELY, case), Subject(ECHOED, FLOORS, ECHO))
    return Row(name, subjects, (Comparison(ECHOED, limit=0.7),))


def _beside(name: str, case: Case, to: str, server: str, limit: float | None) -> Row:
    subjects = (Subject(SERVICE, STAGELY, case), Subject(to, server, case))
    return Row(name, subjects, (Comparison(to, limit=limit),))


def _sealing(name: str, case: Case, limit: float) -> Row:
    subjects = (Subject(SERVICE, STAGELY, case), Subject("plain audit rows", STAGELY, case, sealing=False))
    return Row(name, subjects, (Comparison("plain audit rows", limit=limit),))
