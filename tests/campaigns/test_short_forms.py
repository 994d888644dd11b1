"""Runs each campaign for a few seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from campaigns import (
    disk_full,
    empty_database,
    hostile_clients,
    killed_processes,
    lost_responses,
    outages,
    overload,
    soak,
    terminated_backends,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from campaigns.report import Report

SHORT_FORMS: dict[str, Callable[[], Awaitable[Report]]] = {
    "terminated_backends": lambda: terminated_backends.run(seconds=2, callers=8),
    "killed_processes": lambda: killed_processes.run(database_kills=1, service_kills=1),
    "lost_responses": lambda: lost_responses.run(calls=400, share=0.2),
    "outages": lambda: outages.run(seconds=1),
    "disk_full": lambda: disk_full.run(seconds=2, times=1),
    "overload": lambda: overload.run(seconds=2, goodput=0),
    "soak": lambda: soak.run(seconds=3, max_growth=1.5),
    "hostile_clients": lambda: hostile_clients.run(clients=20, seconds=0.5),
    "empty_database": lambda: empty_database.run(rounds=1, replicas=3),
}


@pytest.mark.parametrize("name", SHORT_FORMS)
async def test_short_campaign_has_no_violations(name: str) -> None:
    if name == "disk_full" and not disk_full.is_possible():
        pytest.skip("only root may mount a small file system")
    report = await SHORT_FORMS[name]()

    assert not report.violations, str(report)
