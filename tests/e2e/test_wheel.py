"""The wheel in an environment with nothing else of the project."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import grpc
import pytest

from stagely.v1 import team_pb2, team_pb2_grpc
from stagely_rpc.db.schema.migrations import head_revision
from tests.support.processes.service import ROOT, environment, serving, settings_for

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(directory), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = directory.glob("*.whl")
    return built


def test_wheel_contains_the_contract_and_the_migrations_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"stagely", "stagely_rpc"}
    for needed in (
        "stagely/v1/team_pb2.py",
        "stagely/v1/team_pb2.pyi",
        "stagely/py.typed",
        "stagely_rpc/py.typed",
        "stagely_rpc/_migrations/env.py",
        f"stagely_rpc/_migrations/versions/{head_revision()}",
    ):
        assert any(name.startswith(needed) for name in names), needed


class Environment:
    """A new virtual environment, which contains only what `install` adds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        _uv("venv", "--quiet", "--python", sys.executable, str(path))

    def install(self, *arguments: str | Path) -> None:
        _uv("pip", "install", "--quiet", "--python", str(self.program("python")), *map(str, arguments))

    def program(self, name: str) -> Path:
        return self.path / "bin" / name

    def run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program(command[0]), *command[1:]],
            env=environment(**env),
            cwd=self.path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def _uv(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "uv", *arguments], check=True)


@pytest.fixture(scope="module")
def client_alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the wheel without extras, and its dependencies in the versions of the lock file."""
    venv = Environment(tmp_path_factory.mktemp("client") / "venv")
    venv.install(wheel, "--constraint", ROOT / "requirements.lock")
    return venv


def test_installed_wheel_migrates_and_serves(wheel: Path, tmp_path: Path, empty_database_url: str) -> None:
    venv = Environment(tmp_path / "venv")
    venv.install("--require-hashes", "--requirement", ROOT / "requirements.lock")
    venv.install("--no-deps", wheel)

    migrated = venv.run("stagely-rpc", "migrate", "up", DATABASE_URL=empty_database_url)

    assert migrated.stdout.strip().endswith(head_revision()), migrated
    with (
        serving(["serve"], settings_for(empty_database_url), tmp_path, program=venv.program("stagely-rpc")) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        created = team_pb2_grpc.TeamServiceStub(channel).CreateTeam(
            team_pb2.CreateTeamRequest(slug="web", name="Web"), timeout=10
        )
    assert created.team.slug == "web"


def test_client_installs_grpc_and_protobuf_but_no_server_packages(client_alone: Environment) -> None:
    listed = "from importlib.metadata import distributions as d; print(*sorted(each.name for each in d()))"

    installed = client_alone.run("python", "-c", listed).stdout.split()

    assert installed == ["googleapis-common-protos", "grpcio", "protobuf", "stagely-rpc", "typing_extensions"]


def test_example_in_the_docs_runs_with_only_the_client_installed(
    client_alone: Environment, fresh_database_url: str
) -> None:
    with serving(["serve"], settings_for(fresh_database_url)) as server:
        lines = example_in_the_docs().replace("127.0.0.1:8080", server.address)
        result = client_alone.run("python", "-W", "error", "-c", lines)

    assert result.returncode == 0, result
    assert result.stdout.splitlines() == [
        "umbrella Umbrella, Inc.",
        "RESOURCE_NOT_FOUND Resource(type='stagely.v1.Project', name='web')",
    ]


def example_in_the_docs() -> str:
    found = re.search(r"<!-- python.*?-->\n```python\n(.*?)```", (ROOT / "docs" / "callers.md").read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_command_without_the_server_extra_names_what_to_install(client_alone: Environment) -> None:
    result = client_alone.run("stagely-rpc", "serve")

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "stagely-rpc: typer is not installed: pip install 'stagely-rpc[server]'\n"
