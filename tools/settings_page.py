"""Write docs/settings.md: every setting, from the model that reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagely_rpc.settings.model import EmbeddedSettings, Settings, needs
from tools import settings_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = """\
# Settings

`stagely-rpc serve` reads its settings from environment variables. `make generate` writes this page from
`stagely_rpc/settings/model.py`. [settings.schema.json](settings.schema.json) has the same settings as a JSON Schema.

An empty variable counts as not set. If a setting is missing or malformed, the service prints one line that names it,
and exits with code 2. `stagely-rpc doctor` checks the settings.

`stagely-rpc dev` reads the same variables, except those that it sets itself: `DATABASE_URL`, `ENCRYPTION_KEY`,
`WORKERS`, `JWT_SECRET`, `JWT_SECRET_PREVIOUS` and `JWT_JWKS`. Where its default differs, the tables say so.
"""
_TABLE = """
## {title}

| variable | allowed values | default | meaning |
|---|---|---|---|
"""
GROUPS = {
    "Storage": ("DATABASE_URL", "REDIS_URL", "ENCRYPTION_KEY"),
    "Process": ("ENVIRONMENT", "LOG_LEVEL", "WORKERS", "DOMAIN"),
    "Ports": ("HOST", "PORT", "HEALTH_PORT", "METRICS_PORT"),
    "TLS and client certificates": ("TLS_CERT_FILE", "TLS_KEY_FILE", "TLS_CLIENT_CA_FILE", "PERMISSIONS_FILE"),
    "Tokens": ("JWT_SECRET", "JWT_SECRET_PREVIOUS", "JWT_JWKS", "JWT_ISSUER", "JWT_AUDIENCE"),
    "Database connections": (
        "DATABASE_POOL_SIZE",
        "DATABASE_POOL_IDLE",
        "DATABASE_POOL_LIFETIME_SECONDS",
        "DATABASE_POOL_WAIT_SECONDS",
        "DATABASE_PREPARED_STATEMENTS",
    ),
    "Calls": (
        "DEFAULT_DEADLINE_SECONDS",
        "MAX_CONCURRENT_RPCS",
        "MAX_CONCURRENT_STREAMS",
        "MAX_REQUEST_BYTES",
        "MAX_RESPONSE_BYTES",
        "IDEMPOTENCY_TTL_SECONDS",
    ),
    "Client connections": (
        "MAX_CONNECTION_AGE_SECONDS",
        "MAX_CONNECTION_AGE_GRACE_SECONDS",
        "MAX_CONNECTION_IDLE_SECONDS",
        "KEEPALIVE_SECONDS",
        "KEEPALIVE_TIMEOUT_SECONDS",
    ),
    "Health and shutdown": (
        "HEALTH_INTERVAL_SECONDS",
        "HEALTH_TIMEOUT_SECONDS",
        "SHUTDOWN_PAUSE_SECONDS",
        "SHUTDOWN_GRACE_SECONDS",
    ),
    "Traces": ("OTEL_EXPORTER_OTLP_ENDPOINT",),
}
_TYPES = {"string": "text", "boolean": "`true` or `false`", "integer": "integer", "number": "number"}
_UNITS = ("SECONDS", "BYTES")


def page() -> str:
    """Return the page.

    Raises:
        ValueError: a setting is in no group, or a group names a setting that does not exist.
    """
    grouped = [variable for variables in GROUPS.values() for variable in variables]
    if sorted(grouped) != sorted(settings_schema.properties()):
        different = sorted(set(grouped) ^ set(settings_schema.properties())) or "duplicates"
        raise ValueError(f"the groups of tools/settings_page.py must have each setting once: {different}")
    return _HEAD + "".join(
        _TABLE.format(title=title) + "".join(_rows(variables)) for title, variables in GROUPS.items()
    )


def _rows(variables: tuple[str, ...]) -> Iterator[str]:
    properties = settings_schema.properties()
    for variable in variables:
        given = properties[variable]
        meaning = given["description"] + _requirement(variable)
        yield f"| `{variable}` | {_allowed(variable, given)} | {_default(variable, given)} | {meaning} |\n"


def _allowed(variable: str, given: dict[str, Any]) -> str:
    if "allowed" in given:
        return str(given["allowed"])
    if "enum" in given:
        return ", ".join(map("`{}`".format, given["enum"]))
    if given.get("format") == "path":
        return "path"
    unit = next((f" {unit.lower()}" for unit in _UNITS if variable.endswith(unit)), "")
    return _TYPES[given["type"]] + _range(given) + unit


def _range(given: dict[str, Any]) -> str:
    if "exclusiveMinimum" in given:
        return f" above {given['exclusiveMinimum']}, up to {given['maximum']}"
    return f" from {given['minimum']} to {given['maximum']}" if "minimum" in given else ""


def _default(variable: str, given: dict[str, Any]) -> str:
    if variable in settings_schema.required():
        serve = "required"
    elif variable in settings_schema.REQUIRED_IN_PRODUCTION:
        serve = "required in production"
    else:
        serve = f"`{given['default']}`" if "default" in given else ""
    return serve + _default_of_dev(variable)


def _default_of_dev(variable: str) -> str:
    own, of_serve = (model.model_fields[variable.lower()] for model in (EmbeddedSettings, Settings))
    if own.get_default() == of_serve.get_default():
        return ""
    return f"; in `dev` {'not required' if own.default is None else f'`{own.default}`'}"


def _requirement(variable: str) -> str:
    others = needs().get(variable.lower())
    return f" Requires {' and '.join(f'`{other.upper()}`' for other in others)}." if others else ""
