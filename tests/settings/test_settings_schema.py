"""The JSON Schema of the settings accepts what the settings accept."""

from __future__ import annotations

import json
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


def test_schema_is_a_json_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_every_setting_has_a_description() -> None:
    assert set(SCHEMA["properties"]) == {name.upper() for name in Settings.model_fields}
    assert [name for name, given in SCHEMA["properties"].items() if not given["description"]] == []


def test_secrets_are_write_only_and_have_no_default() -> None:
    marked = {name for name, given in SCHEMA["properties"].items() if given.get("writeOnly")}

    assert marked == {"DATABASE_URL", "REDIS_URL", "ENCRYPTION_KEY", "JWT_SECRET", "JWT_SECRET_PREVIOUS"}
    assert all("default" not in SCHEMA["properties"][name] for name in marked)


@pytest.mark.parametrize(
    ("given", "is_valid"),
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
def test_schema_accepts_what_the_settings_accept(
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, str | int],
    is_valid: bool,  # noqa: FBT001
) -> None:
    for name in SCHEMA["properties"]:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, str(value))

    assert Draft202012Validator(SCHEMA).is_valid(given) == is_valid
    assert _settings_load() == is_valid


def _settings_load() -> bool:
    try:
        load(Settings)
    except SettingsError:
        return False
    return True
