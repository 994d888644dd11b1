"""The report of a campaign: the injected faults, the measurements, and the expectations that did not hold."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Report:
    """The result of one campaign.

    Attributes:
        name: the name of the campaign.
        injected: the injected faults and how often.
        counted: the measurements.
        violations: the expectations that did not hold, one line each.
    """

    name: str
    injected: dict[str, object] = field(default_factory=dict)
    counted: dict[str, object] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def expect(self, holds: object, violation: str) -> None:
        """Add a violation unless the expectation holds."""
        if not holds:
            self.violations.append(violation)

    def __str__(self) -> str:
        lines = [f"== {self.name}"]
        lines += [f"   injected  {what}: {value}" for what, value in self.injected.items()]
        lines += [f"   counted   {what}: {value}" for what, value in self.counted.items()]
        lines += [f"   VIOLATED  {violation}" for violation in self.violations] or ["   all expectations hold"]
        return "\n".join(lines)
