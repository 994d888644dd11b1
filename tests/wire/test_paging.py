from __future__ import annotations

import base64
import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagely.v1 import team_pb2
from stagely_rpc.db.paging import Cursor
from stagely_rpc.errors import InvalidArgumentError
from stagely_rpc.wire.paging import PageTokens

TOKENS = PageTokens(b"k" * 32)
REQUEST = team_pb2.ListTeamsRequest(show_deleted=True)

cursors = st.builds(
    Cursor,
    created_at=st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    id=st.uuids(),
)


def with_token(token: str, **filters: object) -> team_pb2.ListTeamsRequest:
    request = team_pb2.ListTeamsRequest(page_token=token, **({"show_deleted": True} | filters))  # type: ignore[arg-type]
    assert request.page_token == token
    return request


@given(cursors)
def test_token_contains_its_cursor(cursor: Cursor) -> None:
    token = TOKENS.next_page_token(REQUEST, cursor)

    assert TOKENS.page(with_token(token)).after == cursor
    assert token.replace("-", "").replace("_", "").isalnum()


@given(cursors, st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_token_with_any_byte_changed_is_refused(cursor: Cursor, position: int, change: int) -> None:
    token = TOKENS.next_page_token(REQUEST, cursor)
    sealed = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    sealed[position % len(sealed)] ^= change
    forged = base64.urlsafe_b64encode(bytes(sealed)).decode().rstrip("=")

    with pytest.raises(InvalidArgumentError) as refused:
        TOKENS.page(with_token(forged))

    assert refused.value.violations[0].field == "page_token"


@given(st.text(max_size=100).filter(bool))
def test_text_that_is_not_a_token_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError):
        TOKENS.page(with_token(text))


@given(cursors, st.integers(min_value=0))
def test_truncated_token_is_refused(cursor: Cursor, length: int) -> None:
    token = TOKENS.next_page_token(REQUEST, cursor)
    truncated = token[: 1 + length % (len(token) - 1)]

    with pytest.raises(InvalidArgumentError):
        TOKENS.page(with_token(truncated))


CURSOR = Cursor(created_at=datetime(2026, 1, 1, tzinfo=UTC), id=uuid.UUID(int=7))


def test_token_is_bound_to_the_filters() -> None:
    token = TOKENS.next_page_token(REQUEST, CURSOR)

    for filters in ({"show_deleted": False}, {"user_id": str(uuid.uuid4())}, {"billing_plan": 1}):
        with pytest.raises(InvalidArgumentError):
            TOKENS.page(with_token(token, **filters))


def test_token_is_bound_to_the_rpc() -> None:
    other = team_pb2.ListTeamMembersRequest(team_id=str(uuid.uuid4()))
    other.page_token = TOKENS.next_page_token(REQUEST, CURSOR)

    with pytest.raises(InvalidArgumentError):
        TOKENS.page(other)


def test_token_is_bound_to_the_key() -> None:
    token = TOKENS.next_page_token(REQUEST, CURSOR)

    with pytest.raises(InvalidArgumentError):
        PageTokens(b"x" * 32).page(with_token(token))


def test_page_size_may_change_between_pages() -> None:
    token = TOKENS.next_page_token(REQUEST, CURSOR)

    assert TOKENS.page(with_token(token, page_size=7)).size == 7


@pytest.mark.parametrize(("requested", "expected"), [(0, 50), (1, 1), (500, 500), (501, 500), (2**31 - 1, 500)])
def test_page_size_has_a_default_and_a_limit(requested: int, expected: int) -> None:
    assert TOKENS.page(team_pb2.ListTeamsRequest(page_size=requested)).size == expected


@pytest.mark.parametrize("size", [-1, -(2**31)])
def test_negative_page_size_is_refused(size: int) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        TOKENS.page(team_pb2.ListTeamsRequest(page_size=size))

    assert refused.value.violations[0].field == "page_size"


def test_last_page_has_no_token() -> None:
    assert TOKENS.next_page_token(REQUEST, None) == ""
