"""All checks, in the order of their dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely_rpc.doctor import certificates, database, ports, redis
from stagely_rpc.doctor.findings import Finding, skipped
from stagely_rpc.settings.model import Settings, SettingsError, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stagely_rpc.doctor.findings import Outcome

_OUTSIDE_THE_DATABASE: dict[str, Callable[[Settings], Outcome]] = {
    "redis": redis.ping,
    "certificate": certificates.certificate,
    "client authority": certificates.client_authorities,
    "permissions file": certificates.permissions_file,
    "port": ports.service,
    "health port": ports.health,
    "metrics port": ports.metrics,
}


def examine() -> Iterator[Finding]:
    """Run the checks, and yield each finding at once."""
    try:
        settings = load(Settings)
    except SettingsError as error:
        for line in error.lines:
            name = line.partition(": ")[0]
            yield Finding("settings", "fail", line, f"set {name}; docs/settings.md lists the allowed values")
        yield from skipped([*database.NAMES, *_OUTSIDE_THE_DATABASE], "the settings are invalid")
        return
    yield Finding("settings", "ok", f"valid for ENVIRONMENT={settings.environment}")
    yield from database.findings(settings)
    for name, check in _OUTSIDE_THE_DATABASE.items():
        yield Finding(name, *check(settings))
