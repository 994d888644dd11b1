"""`python -m campaigns [NAME…]`: run campaigns at full length and print their reports."""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module

CAMPAIGNS = (
    "terminated_backends",
    "killed_processes",
    "lost_responses",
    "outages",
    "disk_full",
    "overload",
    "soak",
    "hostile_clients",
    "empty_database",
)


def main(names: list[str]) -> int:
    """Run the named campaigns, or all; return the exit code: 1 if an expectation did not hold, 2 for a wrong name."""
    if unknown := set(names) - set(CAMPAIGNS):
        sys.stderr.write(f"unknown campaign: {', '.join(sorted(unknown))}; the campaigns are {', '.join(CAMPAIGNS)}\n")
        return 2
    has_passed = True
    for name in names or CAMPAIGNS:
        report = asyncio.run(import_module(f"campaigns.{name}").run())
        sys.stdout.write(f"{report}\n")
        sys.stdout.flush()
        has_passed = has_passed and not report.violations
    return 0 if has_passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
