"""What a check found, and what to do about it. No secret is in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Status = Literal["ok", "warn", "fail", "skipped"]


class Outcome(NamedTuple):
    """How a check came out."""

    status: Status
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's.

    Attributes:
        check: its name.
        status: `fail` is what the service can't work with, `warn` what it soon might not.
        found: what is there.
        advice: what to do; empty where nothing is to be done.
    """

    check: str
    status: Status
    found: str
    advice: str = ""

    def line(self) -> str:
        """Return it for people."""
        advice = f"  → {self.advice}" if self.advice else ""
        return f"{self.status:<7}  {self.check:<16}  {self.found}{advice}"


def ok(found: str) -> Outcome:
    """Return that all is well."""
    return Outcome("ok", found)


def warn(found: str, advice: str) -> Outcome:
    """Return that the service works, and something is not as it should be."""
    return Outcome("warn", found, advice)


def fail(found: str, advice: str) -> Outcome:
    """Return that the service does not work, or soon won't."""
    return Outcome("fail", found, advice)


def skipped(checks: Iterable[str], because: str) -> Iterator[Finding]:
    """Yield checks that can't be made."""
    for check in checks:
        yield Finding(check, "skipped", because)
