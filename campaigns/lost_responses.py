"""Campaign: a share of the writes commits, but their callers get UNAVAILABLE instead of the response.

Measured: the number of lost responses, and the writes that are lost, duplicated or partial.
Must hold: calls fail only with expected codes, and each request is stored exactly once, however often its caller
retries it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from campaigns.ledger import Ledger
from campaigns.load import Load
from campaigns.report import Report
from campaigns.service_process import running_service
from tests.support.own_postgres import own_postgres

CALLERS = 16


async def run(calls: int = 40_000, share: float = 0.05) -> Report:
    """Make `calls` successful calls while a `share` of the responses to writes is lost."""
    report, ledger = Report("lost_responses"), Ledger()
    with own_postgres() as postgres:
        command, python = ["-m", "campaigns.serve_losing_responses", "serve"], Path(sys.executable)
        async with running_service(postgres.url, command, python, STAGELY_TEST_LOST_SHARE=str(share)) as service:
            load = Load(service.address, ledger)
            async with load.running(CALLERS):
                await load.wait_for_responses(calls)
        lost = sum(number for (_, code), number in load.codes.items() if code == "UNAVAILABLE")
        report.injected["responses lost after COMMIT"] = lost
        # A quarter of the calls are writes. Losses are random, so require only a quarter of the expected number.
        expected = share * calls / 4
        report.expect(lost > expected / 4, f"only {lost} responses were lost; about {expected:.0f} were expected")
        load.add_to(report)
        ledger.compare(postgres.url).add_to(report)
    return report
