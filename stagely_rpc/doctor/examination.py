"""All checks, in the order in which they depend on each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely_rpc.doctor import certificates, database, ports, redis
from stagely_rpc.doctor.findings import Finding, skipped
from stagely_rpc.settings.model import Settings, SettingsError, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stagely_rpc.doctor.findings import Outcome

_OUTSIDE_THE_DATABASE: dict[str, Callable[[Settings], Outcome]] = {
    "redis": redis.answer,
    "certificate": certificates.certificate,
    "client authority": certificates.client_authorities,
    "permissions file": certificates.permissions_file,
    "port": ports.service,
    "health port": ports.health,
    "metrics port": ports.metrics,
}


def examine() -> Iterator[Finding]:
    """Yield what each check finds, as it finds it."""
    try:
        settings = load(Settings)
    except SettingsError as error:
        for line in error.lines:
            name = line.partition(": ")[0]
            yield Finding("settings", "fail", line, f"set {name}; docs/settings.md lists the allowed values")
        yield from skipped([*database.NAMES, *_OUTSIDE_THE_DATABASE], "the settings are not good")
        return
    yield Finding("settings", "ok", f"good for {settings.environment}")
    yield from database.findings(settings)
    for name, look in _OUTSIDE_THE_DATABASE.items():
        yield Finding(name, *look(settings))
