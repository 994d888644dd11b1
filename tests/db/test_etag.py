from __future__ import annotations

import uuid
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagely_rpc.db.etag import check_etag, etag_of
from stagely_rpc.errors import AbortedError


@dataclass(frozen=True)
class Row:
    id: uuid.UUID
    row_version: int


rows = st.builds(Row, id=st.uuids(), row_version=st.integers(min_value=1, max_value=2**63 - 1))


@given(rows, rows)
def test_etags_are_equal_only_for_one_version_of_one_row(one: Row, other: Row) -> None:
    assert (etag_of(one) == etag_of(other)) == (one == other)


@given(rows)
def test_own_etag_and_no_etag_pass(row: Row) -> None:
    check_etag(row, etag_of(row))
    check_etag(row, "")


@given(rows, st.text(min_size=1))
def test_any_other_etag_is_stale(row: Row, etag: str) -> None:
    with pytest.raises(AbortedError):
        check_etag(row, etag)
