"""The image and the Compose file, checked without a container engine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer.main import get_command

from stagely_rpc.cli.app import app
from stagely_rpc.settings.model import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
STAGES = [stage for stage in re.split(r"(?m)^(?=FROM )", DOCKERFILE) if stage.startswith("FROM ")]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OWN = ("migrate", "stagely-rpc")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def development_program(program: str) -> str:
    """Return the path of a program from the development packages."""
    return str(Path(sys.executable).with_name(program))


def hadolint(dockerfile: str) -> list[str]:
    """Return the hadolint rules that a Dockerfile violates."""
    command = [development_program("hadolint"), "--format", "json", "-"]
    linted = subprocess.run(command, input=dockerfile, capture_output=True, text=True, check=False, timeout=60)
    return [finding["code"] for finding in json.loads(linted.stdout)]


def is_valid_compose_file(file: Path) -> bool:
    """Return whether a file is valid under the Compose specification."""
    command = [development_program("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


def instructions(stage: str, name: str) -> list[str]:
    return re.findall(rf"(?m)^{name} (.*)$", stage)


def copied_sources() -> list[str]:
    """Return the files and folders that the image build copies."""
    return [source for line in instructions(STAGES[0], "COPY") for source in line.split()[:-1]]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build context with only the files that the image build copies."""
    context = tmp_path_factory.mktemp("context")
    for source in copied_sources():
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
        copy(ROOT / source, context / source)
    return context


@pytest.fixture(scope="module")
def wheel(context: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel that the image installs."""
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(directory), str(context)]
    subprocess.run(build, capture_output=True, check=True, timeout=120)
    return zipfile.ZipFile(next(directory.glob("*.whl")))


def test_dockerfile_violates_no_rule() -> None:
    assert hadolint(DOCKERFILE) == []


def test_violated_rule_is_reported() -> None:
    assert hadolint(DOCKERFILE.replace("FROM python:3.13-slim-trixie\n", "FROM python\n")) == ["DL3006"]


def test_all_stages_have_the_same_base() -> None:
    bases = {line.split()[0] for stage in STAGES for line in instructions(stage, "FROM")}

    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", bases.pop())


def test_image_does_not_run_as_root_and_has_a_health_check() -> None:
    (user,) = instructions(STAGES[-1], "USER")
    (check,) = instructions(STAGES[-1], "HEALTHCHECK")

    assert int(user) >= 10_000
    assert f"--uid {user} " in STAGES[-1]
    assert check.endswith('CMD ["stagely-rpc", "probe"]')


def test_labels_match_the_project() -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', STAGES[-1]))

    assert labels == {
        "title": PROJECT["name"],
        "description": PROJECT["description"],
        "version": PROJECT["version"],
        "licenses": PROJECT["license"],
    }


def test_copied_sources_are_not_in_dockerignore() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()

    assert ignored[0] == "*"
    assert {f"!{source}" for source in copied_sources()} <= set(ignored)


def test_wheel_of_the_copied_sources_has_the_command_and_the_migrations(wheel: zipfile.ZipFile) -> None:
    (entry_points,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    revisions = {path.name for path in (ROOT / "migrations" / "versions").glob("*.py")}

    assert "stagely-rpc = stagely_rpc.__main__:main" in wheel.read(entry_points).decode()
    assert {f"stagely_rpc/_migrations/versions/{name}" for name in revisions} <= set(wheel.namelist())
    assert instructions(STAGES[-1], "ENTRYPOINT") == ['["stagely-rpc"]']


def test_lock_file_of_the_image_meets_the_requirements_of_the_server(wheel: zipfile.ZipFile) -> None:
    (metadata,) = [name for name in wheel.namelist() if name.endswith("METADATA")]
    needed = [Requirement(text) for text in message_from_bytes(wheel.read(metadata)).get_all("Requires-Dist") or []]
    extras = [each for each in needed if each.marker is None or each.marker.evaluate({"extra": "server"})]
    locked = dict(re.findall(r"(?m)^([\w.-]+)==([^\s;]+)", (ROOT / "requirements.lock").read_text()))

    unmet = [each for each in extras if not each.specifier.contains(locked.get(canonicalize_name(each.name), "0"))]

    assert len(extras) > 10
    assert unmet == []


def test_compose_file_is_valid() -> None:
    assert is_valid_compose_file(ROOT / "docker-compose.yml")


def test_compose_file_with_an_unknown_key_is_invalid(tmp_path: Path) -> None:
    invalid = tmp_path / "docker-compose.yml"
    invalid.write_text((ROOT / "docker-compose.yml").read_text().replace("restart:", "restarts:"))

    assert not is_valid_compose_file(invalid)


@pytest.mark.parametrize("name", OWN)
def test_service_gets_only_settings_and_no_privileges(name: str) -> None:
    service = COMPOSE["services"][name]

    assert set(service["environment"]) - {setting.upper() for setting in Settings.model_fields} == set()
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["command"][0] in get_command(app).commands  # type: ignore[attr-defined]


def test_ports_are_published_on_loopback_only() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]

    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_stop_grace_period_is_long_enough_to_drain() -> None:
    pauses = [field.default for name, field in Settings.model_fields.items() if name.startswith("shutdown_")]

    assert float(COMPOSE["services"]["stagely-rpc"]["stop_grace_period"].removesuffix("s")) > sum(pauses)


def test_encryption_key_is_required_and_has_no_default() -> None:
    environment = COMPOSE["services"]["stagely-rpc"]["environment"]

    assert environment["ENCRYPTION_KEY"].startswith("${ENCRYPTION_KEY:?")
    assert environment["JWT_SECRET"] == "${JWT_SECRET:-}"


def test_each_service_waits_for_its_dependencies() -> None:
    waits = {name: COMPOSE["services"][name]["depends_on"] for name in OWN}

    assert waits["migrate"]["postgres"] == {"condition": "service_healthy"}
    assert waits["stagely-rpc"]["migrate"] == {"condition": "service_completed_successfully"}
