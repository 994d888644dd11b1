"""Tests of the leak hunt: it must find secrets that are leaked here on purpose."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import grpc
import psycopg
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from stagely.v1 import team_pb2
from tests.support.eventually import eventually
from tests.support.leaks import HUNT, Hunt, judge
from tests.support.processes.service import ROOT, environment, run, serving
from tests.support.refusals import refused
from tests.support.secret_markers import ENCRYPTION_KEY, MARKERS, forms_in, marked_key, marked_secret
from tests.support.tokens import token

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal, LiteralString

    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub

SECRET = marked_secret("planted")

# Surrogates can't be encoded as UTF-8.
texts = st.text(st.characters(exclude_categories=["Cs"]))
secrets = st.builds("{}{}{}".format, texts, st.sampled_from(MARKERS), texts)

FORMS: dict[str, Callable[[bytes], str | bytes]] = {
    "unchanged": lambda secret: secret,
    "text": bytes.decode,
    "repr": repr,
    "repr of text": lambda secret: repr(secret.decode()),
    "JSON": lambda secret: json.dumps(secret.decode()),
    "JSON twice": lambda secret: json.dumps(json.dumps(secret.decode(), ensure_ascii=False)),
    "URL": quote,
    "form": quote_plus,
    "base64": base64.b64encode,
    "base64url": lambda secret: base64.urlsafe_b64encode(secret).rstrip(b"="),
    "base64 of hex": lambda secret: base64.b64encode(secret.hex().encode()),
    "hex": bytes.hex,
    "hex in upper case": lambda secret: secret.hex(":").upper().replace(":", ""),
    "UTF-16": lambda secret: secret.decode().encode("utf-16"),
    "UTF-16, big-endian": lambda secret: secret.decode().encode("utf-16-be"),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@given(secret=secrets, before=st.binary(), after=st.binary())
def test_secret_is_found_in_every_form(
    form: Callable[[bytes], str | bytes], secret: str, before: bytes, after: bytes
) -> None:
    written = form(secret.encode())
    around = before + (written.encode() if isinstance(written, str) else written) + after

    assert forms_in(written)
    assert forms_in(around)


@given(secret=secrets, before=st.binary(), after=st.binary())
def test_secret_inside_encoded_content_is_found(secret: str, before: bytes, after: bytes) -> None:
    around = before + secret.encode() + after

    for encode in (base64.b64encode, base64.urlsafe_b64encode, bytes.hex):
        assert forms_in(encode(around))


@pytest.mark.parametrize(
    "content", ["", b"\xff\0", "hunter", MARKERS[0][:-1], MARKERS[0].lower(), base64.b64encode(b"hunter 2"), "\ud800"]
)
def test_content_without_a_secret_is_not_reported(content: str | bytes) -> None:
    assert forms_in(content) == []


def test_secrets_of_the_suite_are_found() -> None:
    for secret in (
        marked_secret(),
        marked_key(),
        ENCRYPTION_KEY.hex(),
        token("reaper", "*"),
        token("reaper").split(".")[1],
    ):
        assert forms_in(secret)
    assert len(marked_key()) == len(marked_key("label")) == 32
    assert len(marked_secret()) >= 32


async def test_secret_in_a_status_is_found(teams: TeamServiceAsyncStub) -> None:
    found: list[str] = []

    async def is_found() -> bool:
        found.extend(HUNT.take())
        return any(leak.startswith("trailing metadata") for leak in found)

    with refused(grpc.StatusCode.NOT_FOUND):
        await teams.GetTeam(team_pb2.GetTeamRequest(slug="hunter2"))
    await eventually(is_found, expected=True)

    method = "/stagely.v1.TeamService/GetTeam"
    assert found == [
        f"exception in {method}: plain",
        f"message of {method}: plain",
        f"trailing metadata grpc-status-details-bin of {method}: plain",
    ]


@pytest.mark.parametrize(
    ("kind", "value", "form"),
    [
        ("text", SECRET, "plain"),
        ("jsonb", Jsonb({"nested": [SECRET]}), "plain"),
        ("bytea", SECRET.encode(), "plain"),
        ("bytea", base64.b64encode(SECRET.encode()), "base64"),
        ("text[]", [ENCRYPTION_KEY.hex()], "hex"),
    ],
)
def test_secret_in_a_row_is_found_even_if_its_table_is_locked(
    empty_database_url: str, kind: LiteralString, value: object, form: str
) -> None:
    hunt = Hunt()
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE planted (value {kind})")
        connection.execute("INSERT INTO planted VALUES (%s)", [value])
    holder = psycopg.connect(empty_database_url)
    holder.execute("LOCK TABLE planted IN ACCESS EXCLUSIVE MODE")

    hunt.search_database(empty_database_url)

    holder.close()
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("DROP TABLE planted")
    assert hunt.take() == [f"table public.planted: {form}"]


def test_secret_in_a_captured_log_is_found() -> None:
    with structlog.testing.capture_logs() as logs:
        structlog.get_logger().info("planted", token=SECRET)
        try:
            int(SECRET)
        except ValueError:
            structlog.get_logger().exception("planted")

    assert len(logs) == 2
    assert HUNT.take() == ["captured log: plain", "exception in a captured log: plain"]


def test_secret_in_the_output_of_a_process_is_found() -> None:
    run("probe", "--target", MARKERS[0])

    assert HUNT.take() == ["output of probe --target: plain"]


def test_secret_in_the_output_of_a_serving_process_is_found() -> None:
    spoken = f"print('listening address=127.0.0.1:1 {MARKERS[0]}', flush=True)"

    with serving(["-c", spoken], environment(), program=Path(sys.executable)):
        pass

    assert HUNT.take() == [f"output of -c {spoken}: plain"]


def report_of(outcome: Literal["passed", "failed"], *sections: tuple[str, str]) -> pytest.TestReport:
    return pytest.TestReport(
        "tests/test_a.py::test_a",
        ("tests/test_a.py", 1, "test_a"),
        {},
        outcome,
        None,
        "call",
        sections,
    )


@pytest.mark.parametrize("stream", ["stdout", "stderr", "log"])
def test_test_that_writes_a_secret_fails(stream: str) -> None:
    report = report_of("passed", (f"Captured {stream} call", f"token={SECRET}"))

    judge(report, Hunt())

    assert report.failed
    assert report.longreprtext == f"secrets leaked:\n  Captured {stream} call: plain"


def test_failed_test_reports_its_leaks_too() -> None:
    hunt, report = Hunt(), report_of("failed")
    hunt.search("a place", SECRET)

    judge(report, hunt)

    assert report.sections == [("leaks", "secrets leaked:\n  a place: plain")]


def test_test_without_leaks_passes() -> None:
    report = report_of("passed", ("Captured stdout setup", SECRET), ("Captured stdout call", "nothing"))

    judge(report, Hunt())

    assert report.passed


def test_run_with_a_leaked_secret_fails(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").touch()
    (tmp_path / "test_planted.py").write_text(
        "import sys\n"
        f"def test_speaks(): print('{MARKERS[0]}')\n"
        f"def test_complains(): print('{MARKERS[1]}', file=sys.stderr)\n"
        "def test_is_silent(): pass\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.support.leaks",
        "-p",
        "no:cacheprovider",
        "-rA",
        str(tmp_path),
    ]

    ended = subprocess.run(
        command, cwd=tmp_path, env=environment(PYTHONPATH=str(ROOT)), capture_output=True, text=True, check=False
    )

    assert ended.returncode == 1, ended
    assert "Captured stdout call: plain" in ended.stdout
    assert "Captured stderr call: plain" in ended.stdout
    for line in ("FAILED test_planted.py::test_speaks", "FAILED test_planted.py::test_complains"):
        assert line in ended.stdout
    assert "PASSED test_planted.py::test_is_silent" in ended.stdout
