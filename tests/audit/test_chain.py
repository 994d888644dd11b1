from __future__ import annotations

import uuid
from dataclasses import astuple, fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagely_rpc.audit.chain import NO_TEAM, START, ChainKey, Link, SealableRow, canonical
from stagely_rpc.db.models import AuditLog

KEY = ChainKey(bytes(32))
CHAIN = uuid.UUID(int=7)

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "uuid.UUID": st.uuids(),
    "str": TEXTS,
    "datetime": st.datetimes(timezones=st.just(UTC)),
}
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    field.name: VALUES[str(field.type).removesuffix(" | None")]
    | (st.none() if str(field.type).endswith("None") else st.nothing())
    for field in fields(SealableRow)
}
ROWS = st.builds(SealableRow, **FIELDS)
SMALL_TEXTS = st.sampled_from(["", "a", "aa", "\0\0\0\1a"])
# Short texts of few letters: two such rows often differ only in where a column ends.
SMALL_ROWS = st.builds(
    SealableRow,
    **FIELDS
    | {
        name: st.sampled_from(["", "a", "aa", "\0\0\0\1a"]) | st.none()
        for name in ("actor_email", "actor_ip", "metadata")
    }
    | {name: st.none() for name in ("actor_id", "resource_id", "team_id", "project_id")}
    | {"id": st.just(CHAIN), "timestamp": st.just(datetime(2026, 1, 1, tzinfo=UTC)), "request_id": st.none()}
    | {name: st.sampled_from(["", "a"]) for name in ("action", "resource_type", "actor_service")},
)


def test_every_column_of_an_audit_row_is_hashed() -> None:
    columns = {column.name for column in AuditLog.__table__.columns}

    assert {field.name for field in fields(SealableRow)} == columns


@given(ROWS, st.data())
def test_change_of_any_column_changes_the_hash(row: SealableRow, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(FIELDS)))
    changed = data.draw(FIELDS[name].filter(lambda value: value != getattr(row, name)))

    assert KEY.row_hash(replace(row, **{name: changed})) != KEY.row_hash(row)


@given(SMALL_ROWS, SMALL_ROWS)
def test_different_rows_have_different_bytes(one: SealableRow, other: SealableRow) -> None:
    assert (canonical(one) == canonical(other)) == (one == other)


@given(ROWS)
def test_canonical_bytes_can_be_split_into_columns(row: SealableRow) -> None:
    assert len(columns_of(canonical(row))) == len(fields(SealableRow))
    assert [column is None for column in columns_of(canonical(row))] == [value is None for value in astuple(row)]


def columns_of(canonical_bytes: bytes) -> list[bytes | None]:
    columns: list[bytes | None] = []
    while canonical_bytes:
        length, rest = int.from_bytes(canonical_bytes[:4], "big"), canonical_bytes[4:]
        is_null = length == 0xFFFFFFFF
        columns.append(None if is_null else rest[:length])
        canonical_bytes = rest if is_null else rest[length:]
    return columns


@pytest.mark.parametrize(
    "other",
    [
        ChainKey(bytes(31) + b"\1").next_link(CHAIN, START, bytes(32)),
        KEY.next_link(NO_TEAM, START, bytes(32)),
        KEY.next_link(CHAIN, Link(0, bytes(31) + b"\1"), bytes(32)),
        KEY.next_link(CHAIN, Link(1, START.hash), bytes(32)),
        KEY.next_link(CHAIN, START, bytes(31) + b"\1"),
    ],
    ids=["key", "chain", "previous hash", "position", "row"],
)
def test_hash_of_a_link_covers(other: Link) -> None:
    assert KEY.next_link(CHAIN, START, bytes(32)).hash != other.hash


def test_head_authenticates_only_with_its_key_chain_and_position() -> None:
    head = Link(3, bytes(32))
    mac = KEY.head_mac(CHAIN, head)

    assert KEY.is_head(CHAIN, head, mac)
    assert not KEY.is_head(CHAIN, Link(2, bytes(32)), mac)
    assert not KEY.is_head(NO_TEAM, head, mac)
    assert not ChainKey(b"\1" * 32).is_head(CHAIN, head, mac)


def test_hash_of_a_seal_is_not_the_mac_of_a_head() -> None:
    link = KEY.next_link(CHAIN, START, bytes(32))

    assert link.hash != KEY.head_mac(CHAIN, Link(link.position, bytes(32)))
