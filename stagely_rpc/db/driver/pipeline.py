"""Sends several statements in one round trip (libpq's pipeline mode).

psycopg's own pipelines and cursors are more general. This module prepares every statement (unless a pooler would lose
it, see `prepared`) and reads every result completely. A query takes a quarter of the time of a cursor
(docs/performance-notes.md). It uses psycopg's libpq wrapper, its adaptation of values, and `AsyncConnection.wait`.

Outside a transaction, the statements of a pipeline are one transaction: all of them take effect, or none.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache, partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

import psycopg
from psycopg import pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.generators import fetch_many, pipeline_communicate

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from stagely_rpc.db.sql.statement import Query

    Results = list[pq.abc.PGresult]

Command = Literal[b"BEGIN ISOLATION LEVEL READ COMMITTED", b"COMMIT", b"ROLLBACK"]

BEGIN: Command = b"BEGIN ISOLATION LEVEL READ COMMITTED"
"""Names the isolation level, because a query after a lock must see what was committed before the lock was taken."""

_FAILED = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.PIPELINE_ABORTED)


@dataclass(slots=True)
class Prepared:
    """The prepared statements of a connection.

    Attributes:
        generation: how often all statements have had to be prepared again.
        names: the names of the prepared statements, by their texts.
    """

    generation: int = 0
    names: dict[bytes, bytes] = field(default_factory=dict)

    def text_of(self, text: bytes) -> bytes:
        """Return the text to prepare for a statement. It differs between generations."""
        return b"/* %d */ %b" % (self.generation, text) if self.generation else text


async def run(
    connection: psycopg.AsyncConnection[Any], prepared: Prepared | None, steps: Sequence[Query[Any] | Command]
) -> list[Any]:
    """Send queries and commands in one round trip. Return their results in order; the result of a command is None.

    Args:
        connection: a connection in autocommit mode, which no one else uses.
        prepared: the prepared statements of the connection, which may be extended. None: prepare nothing.
        steps: the queries and commands, in order. The first failure ends the pipeline.

    Raises:
        psycopg.Error: the error of the first failed step. Its note is the statement.
    """
    exchange = _Exchange(connection, prepared)
    for step in steps:
        exchange.add(step)
    return await connection.wait(exchange.perform())


class _Exchange:
    """One pipeline: its steps, and how to read their results."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], prepared: Prepared | None) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._prepared = prepared
        self._commands: deque[Callable[[], None]] = deque()
        self._readers: list[Callable[[pq.abc.PGresult], Any] | None] = []
        self._texts: list[bytes] = []
        self._new: list[tuple[int, Callable[[], bytes]]] = []

    def add(self, step: Query[Any] | Command) -> None:
        if isinstance(step, bytes):
            self._send(step, partial(self._pgconn.send_query_params, step, None), _nothing)
            return
        transformer, text = Transformer(self._connection), step.statement.text
        # Values are sent as text, because the statement has the types. In binary, small and large numbers have
        # different types, and would need different prepared statements.
        values = transformer.dump_sequence(step.values, [PyFormat.TEXT] * len(step.values))
        if self._prepared is None:
            send = partial(self._pgconn.send_query_params, text, values)
        else:
            send = partial(self._pgconn.send_query_prepared, self._name_of(text, self._prepared), values)
        self._send(text, send, partial(_read, transformer, step))

    def _name_of(self, text: bytes, prepared: Prepared) -> bytes:
        """Return the name of a prepared statement. Prepare it if necessary."""
        name = prepared.names.get(text)
        if name is None:
            prepared_text = prepared.text_of(text)
            name = prepared.names[text] = name_of(prepared_text)
            # PgBouncer considers a name used even if preparing failed, and disconnects a client that uses it twice.
            self._send(text, partial(self._pgconn.send_close_prepared, name), None)
            self._new.append((len(self._readers), partial(prepared.names.pop, text)))
            self._send(text, partial(self._pgconn.send_prepare, name, prepared_text), None)
        return name

    def _send(self, text: bytes, command: Callable[[], None], reader: Callable[[pq.abc.PGresult], Any] | None) -> None:
        self._texts.append(text)
        self._commands.append(command)
        self._readers.append(reader)

    def perform(self) -> Generator[Any, Any, list[Any]]:
        """Run the pipeline. This is a generator for psycopg's `wait`."""
        self._commands.append(self._pgconn.pipeline_sync)
        self._pgconn.enter_pipeline_mode()
        results = yield from self._fetched(len(self._readers) + 1)
        self._pgconn.exit_pipeline_mode()
        self._forget_failed(results)
        self._check(results)
        return [reader(result[0]) for reader, result in zip(self._readers, results, strict=False) if reader is not None]

    def _fetched(self, expected: int) -> Generator[Any, Any, list[Results]]:
        results: list[Results] = yield from pipeline_communicate(self._pgconn, self._commands)
        while len(results) < expected:
            results.append((yield from fetch_many(self._pgconn)))
        return results

    def _forget_failed(self, results: list[Results]) -> None:
        for position, forget in self._new:
            if results[position][0].status in _FAILED:
                forget()

    def _check(self, results: list[Results]) -> None:
        for text, (result, *_) in zip(self._texts, results, strict=False):
            if result.status in _FAILED:
                error = psycopg.errors.error_from_result(result, encoding=self._connection.info.encoding)
                error.add_note(text.decode())
                raise error


@lru_cache(maxsize=1024)
def name_of(text: bytes) -> bytes:
    """Return the name of a statement, derived from its text. Equal names mean equal statements in every session."""
    return b"stagely_" + sha256(text).hexdigest()[:32].encode()


def _nothing(_: pq.abc.PGresult) -> None:
    return None


def _read(transformer: Any, query: Query[Any], result: pq.abc.PGresult) -> Any:  # noqa: ANN401 - psycopg's, which has no type; and any result
    if not result.nfields:
        return query.result_of([])
    transformer.set_pgresult(result)
    return query.result_of(transformer.load_rows(0, result.ntuples, query.statement.row_maker(result)))
