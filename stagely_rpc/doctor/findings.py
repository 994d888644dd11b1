"""Findings of checks, with advice. They contain no secrets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Status = Literal["ok", "warn", "fail", "skipped"]


class Outcome(NamedTuple):
    """The outcome of a check."""

    status: Status
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's output.

    Attributes:
        check: the name of the check.
        status: `fail` if the service can't work, `warn` if it may stop working soon.
        found: what the check found.
        advice: what to do; empty if nothing is wrong.
    """

    check: str
    status: Status
    found: str
    advice: str = ""

    def line(self) -> str:
        """Return the finding as a line of text."""
        advice = f"  → {self.advice}" if self.advice else ""
        return f"{self.status:<7}  {self.check:<16}  {self.found}{advice}"


def ok(found: str) -> Outcome:
    """Return the outcome of a check that passed."""
    return Outcome("ok", found)


def warn(found: str, advice: str) -> Outcome:
    """Return the outcome of a problem that the service can work with for now."""
    return Outcome("warn", found, advice)


def fail(found: str, advice: str) -> Outcome:
    """Return the outcome of a problem that stops the service, now or soon."""
    return Outcome("fail", found, advice)


def skipped(checks: Iterable[str], because: str) -> Iterator[Finding]:
    """Yield a `skipped` finding for each check."""
    for check in checks:
        yield Finding(check, "skipped", because)
