"""What a campaign injected, what it counted, and whether that is as it must be."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Report:
    """The result of one campaign.

    Attributes:
        name: of the campaign.
        injected: which faults, and how many times.
        counted: what became of the calls and of what is stored.
        faults: what is not as it must be; empty if all is well.
    """

    name: str
    injected: dict[str, object] = field(default_factory=dict)
    counted: dict[str, object] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def expect(self, is_so: object, otherwise: str) -> None:
        """Note a fault unless something is as it must be."""
        if not is_so:
            self.faults.append(otherwise)

    def __str__(self) -> str:
        lines = [f"== {self.name}"]
        lines += [f"   injected  {what}: {value}" for what, value in self.injected.items()]
        lines += [f"   counted   {what}: {value}" for what, value in self.counted.items()]
        lines += [f"   FAULT     {fault}" for fault in self.faults] or ["   all is as it must be"]
        return "\n".join(lines)
