"""How fast the service is, as ratios to what could be had without it, measured in one run.

    python -m benchmarks                  the table; --rounds, --seconds, --only GetTeam,GetEnvironment, --json FILE
    python -m benchmarks.memory           the memory of a server over 100,000 calls
    python -m benchmarks.start            the time from exec to SERVING

The server under test is `stagely-rpc serve` with the whole chain on and its JSON access log at info going to a file.
Its floors are methods of one bare grpc.aio server: an echo, and for each row the statement that it can't do without, by
hand over psycopg. Each server is a process of its own on the first CPU; the load and an embedded PostgreSQL, durable as
`stagely-rpc dev` has it, take the others. The load comes from h2load where that is installed and one request will do,
else from a grpc.aio client in a process of its own. Every measurement fails if a single answer is not OK.

In a round, each row is measured right after its floors, and its ratios are to those: medians of the rounds, with the
lowest and the highest beside them. Calls per second are at 64 in flight over 8 connections, latencies at 1 in flight.
"""

from __future__ import annotations
