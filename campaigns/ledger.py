"""What callers were promised, held against what is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from campaigns.report import Report

_EFFECTS = """
    SELECT sent.request_id,
           (SELECT count(*) FROM teams WHERE slug = sent.name)
               + (SELECT count(*) FROM secrets WHERE key = sent.name),
           (SELECT count(*) FROM audit_logs
             WHERE audit_logs.request_id = sent.request_id AND action IN ('team.create', 'secret.set')),
           (SELECT count(*) FROM idempotency_keys WHERE idempotency_keys.request_id = sent.request_id::uuid)
    FROM unnest(%s::text[], %s::text[]) AS sent (request_id, name)
"""


@dataclass(frozen=True)
class Verdict:
    """How what was sent and what is stored go together, as numbers of requests.

    Attributes:
        sent: different requests, however often each was repeated.
        acknowledged: were answered with OK.
        stored: have had their effect.
        lost: were acknowledged, and are not stored.
        doubled: have had their effect more than once.
        halves: have left some of resource, audit row and kept answer, and not all.
    """

    sent: int
    acknowledged: int
    stored: int
    lost: int
    doubled: int
    halves: int

    def judge(self, report: Report) -> None:
        """Note the numbers, and as faults whatever was broken of the promises."""
        report.counted["writes"] = f"{self.sent} sent, {self.acknowledged} acknowledged, {self.stored} stored"
        report.expect(self.acknowledged, "no write was acknowledged: nothing is shown")
        for broken in ("lost", "doubled", "halves"):
            number = getattr(self, broken)
            report.counted[f"writes {broken}"] = number
            report.expect(not number, f"{number} writes {broken}")


class Ledger:
    """Remembers every write: its `request_id`, which is also the call's `x-request-id`, and the name it makes."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._acknowledged: set[str] = set()

    def send(self, request_id: str, name: str) -> None:
        """Note that a write is about to be sent."""
        self._names[request_id] = name

    def acknowledge(self, request_id: str) -> None:
        """Note that it was answered with OK."""
        self._acknowledged.add(request_id)

    def verdict(self, url: str) -> Verdict:
        """Look at what is stored."""
        with psycopg.connect(url) as connection:
            sent = (list(self._names), list(self._names.values()))
            effects = connection.execute(_EFFECTS, sent).fetchall()
        stored = {request_id for request_id, resources, *_ in effects if resources}
        return Verdict(
            sent=len(self._names),
            acknowledged=len(self._acknowledged),
            stored=len(stored),
            lost=len(self._acknowledged - stored),
            doubled=sum(max(counts) > 1 for _, *counts in effects),
            halves=sum(len(set(counts)) > 1 for _, *counts in effects),
        )
