"""Benchmarks of the service, as ratios to floors that are measured in the same run.

    python -m benchmarks                  the table; --rounds, --seconds, --only GetTeam,SetSecret, --scale 0.01
    python -m benchmarks --docs-from FILE write docs/performance.md again from a stored result
    python -m benchmarks.compare REV      this checkout compared with another revision
    python -m benchmarks.memory           the memory of a server over a million calls
    python -m benchmarks.start            the time from exec to SERVING
    python -m benchmarks.audit_chain      ways to extend the audit chain
    python -m benchmarks.pools            the cost of a connection from each pool
    python -m benchmarks.pool_faults      what each pool does in an outage of the database
    python -m benchmarks.populate URL     a database with a million environments

A run of all rows at full scale is stored in `benchmarks/results`. `docs/performance.md` is generated from it, and says
what is measured and how.
"""

from __future__ import annotations
