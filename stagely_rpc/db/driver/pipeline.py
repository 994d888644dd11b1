"""Queries in one wait: sent to PostgreSQL together, and their results fetched together (pipeline mode of libpq).

psycopg's own pipelines and cursors do the same for any use; here every statement is prepared, unless that would be
forgotten (`prepared`), every result is read whole, and a query takes a quarter of the time of a cursor's
(docs/performance-notes.md). What is used of psycopg below its cursors is its libpq wrapper, its adaptation of values
and `AsyncConnection.wait`.

The statements of a pipeline that is not within a transaction are one: either all of them take effect or none.
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
"""Whatever the database's default is: what is asked after a lock must see what was committed before it was had."""

_FAILED = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.PIPELINE_ABORTED)


@dataclass(slots=True)
class Prepared:
    """What is prepared on a connection.

    Attributes:
        generation: counts how often all statements had to be prepared again.
        names: of the statements that are prepared, by their texts.
    """

    generation: int = 0
    names: dict[bytes, bytes] = field(default_factory=dict)

    def text_of(self, text: bytes) -> bytes:
        """Return what is prepared for a statement, which differs from generation to generation."""
        return b"/* %d */ %b" % (self.generation, text) if self.generation else text


async def run(
    connection: psycopg.AsyncConnection[Any], prepared: Prepared | None, steps: Sequence[Query[Any] | Command]
) -> list[Any]:
    """Send queries and commands, wait once, and return the result of each, in their order; a command's is None.

    Args:
        connection: in autocommit mode; nobody else uses it meanwhile.
        prepared: what is prepared on this connection; more may be added. Without it, nothing is.
        steps: what to do, in this order. The first that fails ends it all.

    Raises:
        psycopg.Error: what went wrong with the first that failed; its note is the statement.
    """
    exchange = _Exchange(connection, prepared)
    for step in steps:
        exchange.add(step)
    return await connection.wait(exchange.perform())


class _Exchange:
    """One pipeline: what is sent, and how each result is read."""

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
        # As text: the types are the statement's own. A small number in binary is of another type than a large one, and
        # would be another prepared statement.
        values = transformer.dump_sequence(step.values, [PyFormat.TEXT] * len(step.values))
        if self._prepared is None:
            send = partial(self._pgconn.send_query_params, text, values)
        else:
            send = partial(self._pgconn.send_query_prepared, self._name_of(text, self._prepared), values)
        self._send(text, send, partial(_read, transformer, step))

    def _name_of(self, text: bytes, prepared: Prepared) -> bytes:
        """Return the name of a prepared statement, which is prepared now if it is not yet."""
        name = prepared.names.get(text)
        if name is None:
            prepared_text = prepared.text_of(text)
            name = prepared.names[text] = name_of(prepared_text)
            # Even if preparing failed before, PgBouncer takes the name for used, and disconnects who uses it twice.
            self._send(text, partial(self._pgconn.send_close_prepared, name), None)
            self._new.append((len(self._readers), partial(prepared.names.pop, text)))
            self._send(text, partial(self._pgconn.send_prepare, name, prepared_text), None)
        return name

    def _send(self, text: bytes, command: Callable[[], None], reader: Callable[[pq.abc.PGresult], Any] | None) -> None:
        self._texts.append(text)
        self._commands.append(command)
        self._readers.append(reader)

    def perform(self) -> Generator[Any, Any, list[Any]]:
        """Do it all, as a generator that psycopg's `wait` drives."""
        self._commands.append(self._pgconn.pipeline_sync)
        self._pgconn.enter_pipeline_mode()
        results = yield from self._fetched(len(self._readers) + 1)
        self._pgconn.exit_pipeline_mode()
        self._forget_unprepared(results)
        self._check(results)
        return [reader(result[0]) for reader, result in zip(self._readers, results, strict=False) if reader is not None]

    def _fetched(self, expected: int) -> Generator[Any, Any, list[Results]]:
        results: list[Results] = yield from pipeline_communicate(self._pgconn, self._commands)
        while len(results) < expected:
            results.append((yield from fetch_many(self._pgconn)))
        return results

    def _forget_unprepared(self, results: list[Results]) -> None:
        for place, forget in self._new:
            if results[place][0].status in _FAILED:
                forget()

    def _check(self, results: list[Results]) -> None:
        for text, (result, *_) in zip(self._texts, results, strict=False):
            if result.status in _FAILED:
                error = psycopg.errors.error_from_result(result, encoding=self._connection.info.encoding)
                error.add_note(text.decode())
                raise error


@lru_cache(maxsize=1024)
def name_of(text: bytes) -> bytes:
    """Return a statement's name, which is no other's, whoever prepares it in whichever session."""
    return b"stagely_" + sha256(text).hexdigest()[:32].encode()


def _nothing(_: pq.abc.PGresult) -> None:
    return None


def _read(transformer: Any, query: Query[Any], result: pq.abc.PGresult) -> Any:  # noqa: ANN401 - psycopg's, which has no type; and any result
    if not result.nfields:
        return query.result_of([])
    transformer.set_pgresult(result)
    return query.result_of(transformer.load_rows(0, result.ntuples, query.statement.row_maker(result)))
