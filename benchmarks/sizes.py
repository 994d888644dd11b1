"""How large a populated database is."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Sizes:
    """How many rows there are; those of other tables follow from these."""

    teams: int = 10_000
    users: int = 40_000
    projects: int = 30_000
    environments: int = 1_000_000
    secrets: int = 1_000_000
    audit_logs: int = 10_000_000

    def scaled(self, factor: float) -> Sizes:
        """Return sizes in the same proportions, but none too small for what a benchmark reads."""
        return Sizes(**{name: max(round(size * factor), _SMALLEST[name]) for name, size in asdict(self).items()})


_SMALLEST = {"teams": 4, "users": 8, "projects": 8, "environments": 1000, "secrets": 400, "audit_logs": 1000}
