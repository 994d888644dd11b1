"""`python -m campaigns [NAME…]`: run campaigns at full length, and print what each injected and counted."""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module

CAMPAIGNS = (
    "terminated_backends",
    "killed_processes",
    "lost_answers",
    "outages",
    "disk_full",
    "overload",
    "soak",
    "hostile_clients",
    "empty_database",
)


def main(names: list[str]) -> int:
    """Run those that are named, or all; return the exit code."""
    if unknown := set(names) - set(CAMPAIGNS):
        sys.stderr.write(f"no such campaign: {', '.join(sorted(unknown))}; there are {', '.join(CAMPAIGNS)}\n")
        return 2
    is_well = True
    for name in names or CAMPAIGNS:
        report = asyncio.run(import_module(f"campaigns.{name}").run())
        sys.stdout.write(f"{report}\n")
        sys.stdout.flush()
        is_well = is_well and not report.faults
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
