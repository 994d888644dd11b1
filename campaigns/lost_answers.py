"""Commits happen, and their answers are lost on the way back."""

from __future__ import annotations

import sys
from pathlib import Path

from campaigns.ledger import Ledger
from campaigns.load import Load
from campaigns.report import Report
from campaigns.stage import service
from tests.support.own_postgres import own_postgres

CALLERS = 16


async def run(calls: int = 40_000, share: float = 0.05) -> Report:
    """Each request has one effect, however often it is repeated because its answer was lost."""
    report, ledger = Report("lost_answers"), Ledger()
    with own_postgres() as postgres:
        command, python = ["-m", "campaigns.loses_answers", "serve"], Path(sys.executable)
        async with service(postgres.url, command, python, STAGELY_TEST_LOST_SHARE=str(share)) as one:
            load = Load(one.address, ledger)
            async with load.running(CALLERS):
                await load.answers(calls)
        lost = sum(number for (_, code), number in load.codes.items() if code == "UNAVAILABLE")
        report.injected["answers lost after COMMIT"] = lost
        # A quarter of the calls are writes; that less than a quarter of what is expected is lost does not happen.
        expected = share * calls / 4
        report.expect(lost > expected / 4, f"{lost} answers were lost of some {expected:.0f} that should be")
        load.judge(report)
        ledger.verdict(postgres.url).judge(report)
    return report
