"""How fast the service is, as ratios to what could be had without it, measured in one run.

    python -m benchmarks                  the table; --rounds, --seconds, --only GetTeam,SetSecret, --scale 0.01
    python -m benchmarks --docs-from FILE docs/performance.md once more, from a result that was kept
    python -m benchmarks.compare REV      this checkout beside another revision
    python -m benchmarks.memory           the memory of a server over a million calls
    python -m benchmarks.start            the time from exec to SERVING
    python -m benchmarks.audit_chain      ways to keep the audit chain
    python -m benchmarks.pools            the cost of a connection from each pool
    python -m benchmarks.pool_faults      what each pool does when the database is away
    python -m benchmarks.populate URL     a database with a million environments

A run of every row at full scale is kept in `benchmarks/results`, and `docs/performance.md` is made of it: there it says
what is measured, and how.
"""

from __future__ import annotations
