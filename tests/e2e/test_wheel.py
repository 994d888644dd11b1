"""The wheel, as somebody gets it who has nothing else of the project."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import grpc
import pytest

from stagely.v1 import team_pb2, team_pb2_grpc
from stagely_rpc.db.migrations import head_revision
from tests.e2e.processes import ROOT, environment, serving, settings_for

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(directory), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = directory.glob("*.whl")
    return built


def test_wheel_carries_the_contract_and_the_migrations_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"stagely", "stagely_rpc"}
    for needed in (
        "stagely/v1/team_pb2.py",
        "stagely/v1/team_pb2.pyi",
        "stagely/py.typed",
        "stagely_rpc/_migrations/env.py",
        f"stagely_rpc/_migrations/versions/{head_revision()}",
    ):
        assert any(name.startswith(needed) for name in names), needed


def test_installed_wheel_migrates_and_answers(wheel: Path, tmp_path: Path, empty_database_url: str) -> None:
    venv = tmp_path / "venv"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(venv)], check=True)
    into = ["pip", "install", "--quiet", "--python", str(venv / "bin" / "python")]
    subprocess.run([*uv, *into, "--require-hashes", "--requirement", str(ROOT / "requirements.lock")], check=True)
    subprocess.run([*uv, *into, "--no-deps", str(wheel)], check=True)
    program = venv / "bin" / "stagely-rpc"

    migrated = subprocess.run(
        [program, "migrate", "up"],
        env=environment(DATABASE_URL=empty_database_url),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert migrated.stdout.strip().endswith(head_revision())
    with (
        serving(["serve"], settings_for(empty_database_url), tmp_path, program=program) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        created = team_pb2_grpc.TeamServiceStub(channel).CreateTeam(
            team_pb2.CreateTeamRequest(slug="web", name="Web"), timeout=10
        )
    assert created.team.slug == "web"
