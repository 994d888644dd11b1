"""The JSON Schema of the settings says what the settings do, and the table in docs/running.md what the schema says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from stagely_rpc.settings.model import Settings, SettingsError, load

ROOT = Path(__file__).resolve().parents[2]
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "settings.schema.json").read_text())
REQUIRED = {"DATABASE_URL": "postgresql://stagely@db/stagely", "REDIS_URL": "redis://redis:6379/0"}
KEY = "0123456789abcdef" * 4
JWT_SECRET = "hunter2 signs, with 32 bytes or more"
ROWS = re.findall(r"^\| (`[A-Z][^|]*) \| ([^|]*) \|", (ROOT / "docs" / "running.md").read_text(), re.MULTILINE)


def test_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_every_variable_is_described() -> None:
    assert set(SCHEMA["properties"]) == {name.upper() for name in Settings.model_fields}
    assert [name for name, given in SCHEMA["properties"].items() if not given["description"]] == []


def test_secrets_are_marked_as_such() -> None:
    marked = {name for name, given in SCHEMA["properties"].items() if given.get("writeOnly")}

    assert marked == {"DATABASE_URL", "REDIS_URL", "ENCRYPTION_KEY", "JWT_SECRET", "JWT_SECRET_PREVIOUS"}
    assert all("default" not in SCHEMA["properties"][name] for name in marked)


@pytest.mark.parametrize(
    ("given", "is_good"),
    [
        (REQUIRED, True),
        ({"DATABASE_URL": REQUIRED["DATABASE_URL"]}, False),
        (REQUIRED | {"DATABASE_URL": "mysql://db/stagely"}, False),
        (REQUIRED | {"REDIS_URL": "http://redis"}, False),
        (REQUIRED | {"PORT": 0}, True),
        (REQUIRED | {"PORT": 65_536}, False),
        (REQUIRED | {"ENCRYPTION_KEY": KEY}, True),
        (REQUIRED | {"ENCRYPTION_KEY": KEY[:-1]}, False),
        (REQUIRED | {"ENVIRONMENT": "staging"}, False),
        (REQUIRED | {"ENVIRONMENT": "production"}, False),
        (REQUIRED | {"ENVIRONMENT": "production", "ENCRYPTION_KEY": KEY}, False),
        (REQUIRED | {"ENVIRONMENT": "production", "ENCRYPTION_KEY": KEY, "JWT_SECRET": JWT_SECRET}, True),
        (REQUIRED | {"TLS_CERT_FILE": "/tls/cert.pem"}, False),
        (REQUIRED | {"TLS_CERT_FILE": "/tls/cert.pem", "TLS_KEY_FILE": "/tls/key.pem"}, True),
        (REQUIRED | {"DOMAIN": "Example"}, False),
        (REQUIRED | {"HEALTH_TIMEOUT_SECONDS": 0}, False),
    ],
)
def test_schema_and_settings_agree(monkeypatch: pytest.MonkeyPatch, given: dict[str, str | int], is_good: bool) -> None:  # noqa: FBT001
    for name in SCHEMA["properties"]:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, str(value))

    assert Draft202012Validator(SCHEMA).is_valid(given) == is_good
    assert _are_taken() == is_good


def _are_taken() -> bool:
    try:
        load(Settings)
    except SettingsError:
        return False
    return True


@pytest.mark.parametrize(("names", "defaults"), ROWS)
def test_defaults_in_the_readme_are_those_of_the_schema(names: str, defaults: str) -> None:
    variables = names.split("`")[1::2]

    if defaults == "required":
        assert set(variables) <= set(SCHEMA["required"])
    elif defaults in {"", "required in production"}:
        assert [name for name in variables if "default" in SCHEMA["properties"][name]] == []
    else:
        told = [default.strip("` ") for default in defaults.split(",")]
        assert told == [str(SCHEMA["properties"][name]["default"]) for name in variables]
