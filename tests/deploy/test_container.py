"""The image and the composition, as far as they can be checked where there is no engine to build and run them."""

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


def installed(program: str) -> str:
    """Return a program of the development packages."""
    return str(Path(sys.executable).with_name(program))


def hadolint(dockerfile: str) -> list[str]:
    """Return the rules that a Dockerfile breaks."""
    command = [installed("hadolint"), "--format", "json", "-"]
    linted = subprocess.run(command, input=dockerfile, capture_output=True, text=True, check=False, timeout=60)
    return [finding["code"] for finding in json.loads(linted.stdout)]


def is_valid_composition(file: Path) -> bool:
    """Tell whether a file is what the Compose specification says that it may be."""
    command = [installed("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


def instructions(stage: str, name: str) -> list[str]:
    return re.findall(rf"(?m)^{name} (.*)$", stage)


def copied() -> list[str]:
    """Return what the build takes from the source tree."""
    return [source for line in instructions(STAGES[0], "COPY") for source in line.split()[:-1]]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the build takes from the source tree, and nothing else."""
    context = tmp_path_factory.mktemp("context")
    for source in copied():
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
        copy(ROOT / source, context / source)
    return context


@pytest.fixture(scope="module")
def wheel(context: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel that the image is made of."""
    made = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(made), str(context)]
    subprocess.run(build, capture_output=True, check=True, timeout=120)
    return zipfile.ZipFile(next(made.glob("*.whl")))


def test_dockerfile_breaks_no_rule() -> None:
    assert hadolint(DOCKERFILE) == []


def test_rule_that_is_broken_is_found() -> None:
    assert hadolint(DOCKERFILE.replace("FROM python:3.13-slim-trixie\n", "FROM python\n")) == ["DL3006"]


def test_base_is_of_one_python_and_one_debian() -> None:
    bases = {line.split()[0] for stage in STAGES for line in instructions(stage, "FROM")}

    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", bases.pop())


def test_image_runs_without_root_and_asks_for_its_own_health() -> None:
    (user,) = instructions(STAGES[-1], "USER")
    (check,) = instructions(STAGES[-1], "HEALTHCHECK")

    assert int(user) >= 10_000
    assert f"--uid {user} " in STAGES[-1]
    assert check.endswith('CMD ["stagely-rpc", "probe"]')


def test_labels_say_what_the_project_says() -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', STAGES[-1]))

    assert labels == {
        "title": PROJECT["name"],
        "description": PROJECT["description"],
        "version": PROJECT["version"],
        "licenses": PROJECT["license"],
    }


def test_what_is_copied_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()

    assert ignored[0] == "*"
    assert {f"!{source}" for source in copied()} <= set(ignored)


def test_wheel_of_what_is_copied_has_the_command_and_the_migrations(wheel: zipfile.ZipFile) -> None:
    (entry_points,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    revisions = {path.name for path in (ROOT / "migrations" / "versions").glob("*.py")}

    assert "stagely-rpc = stagely_rpc.__main__:main" in wheel.read(entry_points).decode()
    assert {f"stagely_rpc/_migrations/versions/{name}" for name in revisions} <= set(wheel.namelist())
    assert instructions(STAGES[-1], "ENTRYPOINT") == ['["stagely-rpc"]']


def test_lock_of_the_image_has_all_that_the_wheel_needs_to_serve(wheel: zipfile.ZipFile) -> None:
    (metadata,) = [name for name in wheel.namelist() if name.endswith("METADATA")]
    needed = [Requirement(text) for text in message_from_bytes(wheel.read(metadata)).get_all("Requires-Dist") or []]
    extras = [each for each in needed if each.marker is None or each.marker.evaluate({"extra": "server"})]
    locked = dict(re.findall(r"(?m)^([\w.-]+)==([^\s;]+)", (ROOT / "requirements.lock").read_text()))

    unmet = [each for each in extras if not each.specifier.contains(locked.get(canonicalize_name(each.name), "0"))]

    assert len(extras) > 10
    assert unmet == []


def test_composition_is_valid() -> None:
    assert is_valid_composition(ROOT / "docker-compose.yml")


def test_composition_with_an_unknown_key_is_not(tmp_path: Path) -> None:
    spoiled = tmp_path / "docker-compose.yml"
    spoiled.write_text((ROOT / "docker-compose.yml").read_text().replace("restart:", "restarts:"))

    assert not is_valid_composition(spoiled)


@pytest.mark.parametrize("name", OWN)
def test_service_is_given_nothing_but_settings_and_no_rights(name: str) -> None:
    service = COMPOSE["services"][name]

    assert set(service["environment"]) - {setting.upper() for setting in Settings.model_fields} == set()
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["command"][0] in get_command(app).commands  # type: ignore[attr-defined]


def test_no_port_is_open_to_other_machines() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]

    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_service_has_time_to_drain() -> None:
    pauses = [field.default for name, field in Settings.model_fields.items() if name.startswith("shutdown_")]

    assert float(COMPOSE["services"]["stagely-rpc"]["stop_grace_period"].removesuffix("s")) > sum(pauses)


def test_keys_are_asked_for_and_not_made_up() -> None:
    environment = COMPOSE["services"]["stagely-rpc"]["environment"]

    assert environment["ENCRYPTION_KEY"].startswith("${ENCRYPTION_KEY:?")
    assert environment["JWT_SECRET"] == "${JWT_SECRET:-}"


def test_everything_waits_for_what_it_needs() -> None:
    waits = {name: COMPOSE["services"][name]["depends_on"] for name in OWN}

    assert waits["migrate"]["postgres"] == {"condition": "service_healthy"}
    assert waits["stagely-rpc"]["migrate"] == {"condition": "service_completed_successfully"}
