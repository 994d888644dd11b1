"""Compares the writes that callers sent, and those that were acknowledged, with what is stored."""

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
    """The result of the comparison, in numbers of requests.

    Attributes:
        sent: different requests; retries of a request do not count.
        acknowledged: requests that returned OK.
        stored: requests whose resource is stored.
        lost: acknowledged requests that are not stored.
        duplicated: requests that are stored more than once.
        partial: requests with some, but not all, of resource, audit row and stored response.
    """

    sent: int
    acknowledged: int
    stored: int
    lost: int
    duplicated: int
    partial: int

    def add_to(self, report: Report) -> None:
        """Add the numbers to the report. Lost, duplicated and partial writes are violations."""
        report.counted["writes"] = f"{self.sent} sent, {self.acknowledged} acknowledged, {self.stored} stored"
        report.expect(self.acknowledged, "no write was acknowledged: the campaign shows nothing")
        for kind in ("lost", "duplicated", "partial"):
            number = getattr(self, kind)
            report.counted[f"{kind} writes"] = number
            report.expect(not number, f"{number} {kind} writes")


class Ledger:
    """Records every write: its `request_id`, which is also the call's `x-request-id`, and the name of its resource."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._acknowledged: set[str] = set()

    def send(self, request_id: str, name: str) -> None:
        """Record that a write is about to be sent."""
        self._names[request_id] = name

    def acknowledge(self, request_id: str) -> None:
        """Record that a write returned OK."""
        self._acknowledged.add(request_id)

    def compare(self, url: str) -> Verdict:
        """Compare the recorded writes with the database."""
        with psycopg.connect(url) as connection:
            sent = (list(self._names), list(self._names.values()))
            effects = connection.execute(_EFFECTS, sent).fetchall()
        stored = {request_id for request_id, resources, *_ in effects if resources}
        return Verdict(
            sent=len(self._names),
            acknowledged=len(self._acknowledged),
            stored=len(stored),
            lost=len(self._acknowledged - stored),
            duplicated=sum(max(counts) > 1 for _, *counts in effects),
            partial=sum(len(set(counts)) > 1 for _, *counts in effects),
        )
