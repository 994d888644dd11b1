"""Every SQL statement about the audit log, except the inserts of audit rows."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    LargeBinary,
    Text,
    True_,
    Uuid,
    and_,
    bindparam,
    cast,
    column,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from stagely_rpc.audit.chain import NO_TEAM, ChainEnd, Link, Seal, SealableRow, Sealed
from stagely_rpc.db.models import AuditChainHead, AuditLog, AuditSeal, AuditUnsealed, Base
from stagely_rpc.db.models.rows import AuditLogRow
from stagely_rpc.db.paging import Cursor, Found, Listing, Merge, Page, allowed_values, checked_per_row

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import ColumnElement, Delete, Insert, Select, TableValuedAlias
    from sqlalchemy.types import TypeEngine

    from stagely_rpc.audit.inputs import AuditLogFilter
    from stagely_rpc.db.session import Executor, Session

SEALING_LOCK = 0x5354_4147_454C_5902
"""The key of the advisory lock ("STAGELY" and a 2) that lets one replica at a time seal."""


_SEALS = Base.metadata.tables[AuditSeal.__tablename__]
_HEADS = Base.metadata.tables[AuditChainHead.__tablename__]

EXPORT = """
    SELECT audit_logs.*, position, hash
    FROM audit_logs LEFT JOIN audit_seals ON audit_log_id = audit_logs.id
    WHERE (%(team_id)s::uuid IS NULL OR team_id = %(team_id)s)
      AND (%(since)s::timestamptz IS NULL OR timestamp >= %(since)s)
      AND (%(until)s::timestamptz IS NULL OR timestamp < %(until)s)
    ORDER BY timestamp, audit_logs.id
"""
"""All columns of the audit rows and their seals, oldest first. psycopg reads it through a server-side cursor."""

SEALABLE_COLUMNS = tuple(each.name for each in fields(SealableRow))


@dataclass(frozen=True, slots=True)
class RowState:
    """An audit row, and whether it is sealed in its chain or queued for sealing."""

    cursor: Cursor
    is_sealed: bool
    is_queued: bool


def sealable_columns() -> list[ColumnElement[Any]]:
    """Return the columns of `SealableRow`, in the order of its fields."""
    as_text = {"actor_ip": cast(AuditLog.actor_ip, Text), "metadata": cast(AuditLog.details, Text)}
    return [as_text[name] if name in as_text else getattr(AuditLog, name) for name in SEALABLE_COLUMNS]


async def claim_sealing(session: Executor) -> bool:
    """Take the sealing lock until the transaction ends. Return False if nothing is queued or another replica has it."""
    claim = func.pg_try_advisory_xact_lock(cast(SEALING_LOCK, BigInteger))
    return bool(await session.scalar(select(claim).where(exists(select(AuditUnsealed.audit_log_id)))))


async def get_lag_seconds(session: Executor) -> float:
    """Return the age of the oldest unsealed row; 0 if every row is sealed."""
    return float(await session.scalar(_LAG) or 0)


_LAG = select(func.extract("epoch", func.clock_timestamp() - func.min(AuditUnsealed.timestamp)))


async def list_unsealed(session: Executor, limit: int, refused: Collection[uuid.UUID]) -> list[SealableRow]:
    """Return the oldest unsealed rows, except those of refused chains."""
    return [SealableRow(*row) for row in await session.execute(_unsealed(frozenset(refused)), {"limit": limit})]


@lru_cache(maxsize=1)
def _unsealed(refused: frozenset[uuid.UUID]) -> Select[*tuple[Any, ...]]:
    is_queued = and_(AuditLog.id == AuditUnsealed.audit_log_id, AuditLog.timestamp == AuditUnsealed.timestamp)
    row = select(*sealable_columns()).where(is_queued)
    if refused:
        row = row.where(func.coalesce(AuditLog.team_id, NO_TEAM).not_in(refused))
    # LIMIT 1 makes PostgreSQL walk the queue in order and look each row up. A plain join would be sorted first.
    queued = row.correlate(AuditUnsealed).limit(literal_column("1")).lateral("queued")
    oldest = AuditUnsealed.timestamp, AuditUnsealed.audit_log_id
    statement = select(*queued.c).select_from(AuditUnsealed).join(queued, true())
    return statement.order_by(*oldest).limit(bindparam("limit"))


async def get_chain_ends(session: Executor, chains: Collection[uuid.UUID]) -> dict[uuid.UUID, ChainEnd]:
    """Return the ends of chains, read in one statement."""
    return {
        chain: ChainEnd(_link(position, hash_), mac, _link(last_position, last_hash))
        for chain, position, hash_, mac, last_position, last_hash in await session.execute(
            _chain_ends(), {"chain": list(chains)}
        )
    }


@cache
def _chain_ends() -> Select[*tuple[Any, ...]]:
    wanted = _rows("wanted", chain=Uuid())
    seals = select(AuditSeal.position, AuditSeal.hash).where(AuditSeal.chain == wanted.c.chain)
    last = seals.order_by(AuditSeal.position.desc()).limit(1).lateral("last")
    heads = AuditChainHead
    return (
        select(wanted.c.chain, heads.position, heads.hash, heads.mac, last.c.position, last.c.hash)
        .select_from(wanted)
        .outerjoin(heads, heads.chain == wanted.c.chain)
        .outerjoin(last, true())
    )


async def add_seals(session: Executor, seals: Sequence[Seal]) -> None:
    """Add seals."""
    values = [(seal.chain, seal.link.position, seal.audit_log_id, seal.row_hash, seal.link.hash) for seal in seals]
    await session.execute(_add_seals(), _transposed(_SEAL, values))


_SEAL = ("chain", "position", "audit_log_id", "row_hash", "hash")


@cache
def _add_seals() -> Insert:
    types: Sequence[TypeEngine[Any]] = (Uuid(), BigInteger(), Uuid(), LargeBinary(), LargeBinary())
    given = _rows("given", **dict(zip(_SEAL, types, strict=True)))
    return insert(_SEALS).from_select(list(_SEAL), select(given))


async def put_heads(session: Executor, heads: Sequence[tuple[uuid.UUID, Link, bytes]]) -> None:
    """Store the ends of chains, each with its MAC."""
    values = [(chain, head.position, head.hash, mac) for chain, head, mac in heads]
    await session.execute(_put_heads(), _transposed(_HEAD, values))


_HEAD = ("chain", "position", "hash", "mac")


@cache
def _put_heads() -> Insert:
    types: Sequence[TypeEngine[Any]] = (Uuid(), BigInteger(), LargeBinary(), LargeBinary())
    given = _rows("given", **dict(zip(_HEAD, types, strict=True)))
    statement = upsert(_HEADS).from_select(list(_HEAD), select(given))
    replaced = {name: statement.excluded[name] for name in _HEAD[1:]}
    return statement.on_conflict_do_update(index_elements=[AuditChainHead.chain], set_=replaced)


async def remove_unsealed(session: Executor, rows: Sequence[SealableRow]) -> None:
    """Remove rows from the queue."""
    await session.execute(_remove(), _transposed(_QUEUED, [(row.timestamp, row.id) for row in rows]))


_QUEUED = ("timestamp", "audit_log_id")


@cache
def _remove() -> Delete:
    given = _rows("given", timestamp=DateTime(timezone=True), audit_log_id=Uuid())
    is_given = and_(*(getattr(AuditUnsealed, name) == given.c[name] for name in _QUEUED))
    return delete(AuditUnsealed).where(is_given).execution_options(synchronize_session=False)


# The most selective columns come first. Rows with the same value in one of the first five belong to few teams.
_INDEXED = (
    "request_id",
    "resource_id",
    "actor_id",
    "project_id",
    "team_id",
    "action",
    "actor_service",
    "resource_type",
)
_OF_FEW_TEAMS = frozenset(_INDEXED[:5])
_LIST = Listing(
    AuditLogRow,
    *_INDEXED,
    created="timestamp",
    indexed=_INDEXED,
    frequent=_INDEXED[5:],
    since=AuditLog.timestamp >= bindparam("since"),
    until=AuditLog.timestamp < bindparam("until"),
)


async def list_audit_logs(
    session: Session, wanted: AuditLogFilter, page: Page, visible: ColumnElement[bool]
) -> Found[AuditLogRow]:
    """Return a page of the visible audit rows."""
    filters = wanted.model_dump(exclude_none=True)
    if isinstance(visible, True_) or filters.keys() & _OF_FEW_TEAMS:
        known = bindparam("team_id", type_=Uuid()) if wanted.team_id else None
        return await _LIST.fetch(session, page, filters, checked_per_row(visible, known))
    return await _LIST.fetch(session, page, filters, visible, _by_team(visible))


def _by_team(visible: ColumnElement[bool]) -> Merge:
    """Merge the lists of the teams whose rows are visible. These may be a small share of all teams."""
    teams = allowed_values(visible).subquery("visible_teams")
    return Merge((teams,), AuditLog.team_id == teams.c.team_id, are_visible=True)


async def get_links(session: Executor, audit_log_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Link]:
    """Return the chain positions of those given rows that are sealed."""
    statement = select(AuditSeal.audit_log_id, AuditSeal.position, AuditSeal.hash)
    found = await session.execute(statement.where(AuditSeal.audit_log_id.in_(audit_log_ids)))
    return {audit_log_id: Link(position, hash_) for audit_log_id, position, hash_ in found}


async def list_sealed(session: Executor, chain: uuid.UUID, after: int, until: int, limit: int) -> list[Sealed]:
    """Return the next seals of a chain in order, each with its row."""
    seal = AuditSeal.audit_log_id, AuditSeal.row_hash, AuditSeal.position, AuditSeal.hash
    statement = (
        select(*seal, *sealable_columns())
        .select_from(AuditSeal)
        .outerjoin(AuditLog, AuditLog.id == AuditSeal.audit_log_id)
        .where(AuditSeal.chain == chain, AuditSeal.position > after, AuditSeal.position <= until)
        .order_by(AuditSeal.position)
        .limit(limit)
    )
    return [
        Sealed(Seal(chain, row_id, row_hash, Link(position, hash_)), SealableRow(*row) if row[0] else None)
        for row_id, row_hash, position, hash_, *row in await session.execute(statement)
    ]


async def is_sealed(session: Executor, row_hash: bytes) -> bool:
    """Return whether a row with this hash was sealed at any position. Scans the table; used only after a fault."""
    return bool((await session.execute(select(exists().where(AuditSeal.row_hash == row_hash)))).scalar_one())


async def list_row_states(session: Executor, chain: uuid.UUID, after: Cursor | None, limit: int) -> list[RowState]:
    """Return the next rows that belong to a chain, oldest first."""
    statement = select(
        AuditLog.timestamp,
        AuditLog.id,
        exists().where(AuditSeal.audit_log_id == AuditLog.id, AuditSeal.chain == chain),
        exists().where(AuditUnsealed.timestamp == AuditLog.timestamp, AuditUnsealed.audit_log_id == AuditLog.id),
    ).where(AuditLog.team_id.is_(None) if chain == NO_TEAM else AuditLog.team_id == chain)
    if after is not None:
        statement = statement.where(tuple_(AuditLog.timestamp, AuditLog.id) > tuple_(after.created_at, after.id))
    found = await session.execute(statement.order_by(AuditLog.timestamp, AuditLog.id).limit(limit))
    return [RowState(Cursor(timestamp, row_id), sealed, queued) for timestamp, row_id, sealed, queued in found]


def _rows(name: str, **columns: TypeEngine[Any]) -> TableValuedAlias:
    """Return a table with one list parameter for each column: any number of rows in one statement."""
    arrays = [bindparam(each, type_=ARRAY(type_)) for each, type_ in columns.items()]
    named = [column(each, type_) for each, type_ in columns.items()]
    return func.unnest(*arrays).table_valued(*named, name=name).render_derived()


def _transposed(names: Sequence[str], rows: Sequence[tuple[object, ...]]) -> dict[str, list[object]]:
    """Convert rows to the parameters of `_rows`."""
    return {name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}


def _link(position: int | None, hash_: bytes | None) -> Link | None:
    return None if position is None or hash_ is None else Link(position, hash_)
