"""Where a stream is resumed, and when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import grpc
import pytest

from stagely_rpc.client.errors import (
    NotFoundError,
    ResourceExhaustedError,
    StagelyError,
    UnauthenticatedError,
    UnavailableError,
)
from stagely_rpc.client.resuming import MAX_PAUSE_SECONDS, Cursor, Resumption
from tests.support.identity.clocks import Clock
from tests.support.notes import message_class

TOKEN = Cursor("resume_token", "resume_token")
LINE = Cursor("after_line_number", "last_line_number")
Watch, Watched = message_class("WatchNotesRequest"), message_class("WatchNotesResponse")
Tail, Tailed = message_class("TailNotesRequest"), message_class("TailNotesResponse")


def away(retry_delay: timedelta | None = None) -> UnavailableError:
    error = UnavailableError(grpc.StatusCode.UNAVAILABLE, "away")
    error.retry_delay = retry_delay
    return error


def refused() -> UnauthenticatedError:
    return UnauthenticatedError(grpc.StatusCode.UNAUTHENTICATED, "who are you")


def watching(**fields: Any) -> Resumption[Any]:
    return Resumption(Watch(**fields), TOKEN, None)


def pauses(stream: Resumption[Any], count: int) -> list[float]:
    return [stream.pause_after(away(), has_new_token=False) for _ in range(count)]


def test_next_request_continues_after_the_last_response() -> None:
    request = Watch(topic="web", resume_token="1")
    stream = Resumption(request, TOKEN, None)

    stream.advance(Watched(resume_token="2"))

    assert stream.request == Watch(topic="web", resume_token="2")
    assert request.resume_token == "1"


def test_pauses_grow_to_a_limit_and_reset_after_a_response() -> None:
    stream = watching(resume_token="1")

    grown = pauses(stream, 200)
    stream.advance(Watched(resume_token="2"))

    assert grown[0] <= 0.2
    assert MAX_PAUSE_SECONDS / 2 < max(grown) <= MAX_PAUSE_SECONDS
    assert pauses(stream, 1)[0] <= 0.2


def test_retry_delay_of_the_service_is_respected() -> None:
    assert watching(resume_token="1").pause_after(away(timedelta(seconds=7)), has_new_token=False) == 7


def test_pause_ends_at_the_timeout() -> None:
    clock = Clock(100)
    stream = Resumption(Tail(), LINE, 5, clock=clock)
    clock.now = 103

    assert stream.pause_after(away(timedelta(seconds=7)), has_new_token=False) == 2
    assert stream.seconds_left() == 2


@pytest.mark.parametrize(
    "stream",
    [watching(), watching(resume_token="1")],
    ids=["before the first response", "after a response without a place"],
)
def test_stream_is_not_restarted_if_its_position_is_unknown(stream: Resumption[Any]) -> None:
    if stream.request.resume_token:
        stream.advance(Watched(text="no place"))

    with pytest.raises(UnavailableError):
        stream.pause_after(away(), has_new_token=False)


def test_line_number_is_a_position_from_the_start() -> None:
    stream = Resumption(Tail(), LINE, None)

    assert pauses(stream, 1)
    stream.advance(Tailed(last_line_number=0))
    assert pauses(stream, 1)


@pytest.mark.parametrize(
    "error",
    [NotFoundError(grpc.StatusCode.NOT_FOUND, "gone"), ResourceExhaustedError(grpc.StatusCode.RESOURCE_EXHAUSTED, "")],
)
def test_any_other_error_ends_the_stream(error: StagelyError) -> None:
    with pytest.raises(type(error)):
        watching(resume_token="1").pause_after(error, has_new_token=False)


def test_refused_token_is_replaced_once_per_response() -> None:
    stream = watching()

    assert stream.pause_after(refused(), has_new_token=True) == 0
    with pytest.raises(UnauthenticatedError):
        stream.pause_after(refused(), has_new_token=True)
    stream.advance(Watched(resume_token="1"))
    assert stream.pause_after(refused(), has_new_token=True) == 0


def test_refusal_of_the_only_token_ends_the_stream() -> None:
    with pytest.raises(UnauthenticatedError):
        watching(resume_token="1").pause_after(refused(), has_new_token=False)


def test_new_token_does_not_restart_a_stream_with_an_unknown_position() -> None:
    stream = watching()
    stream.advance(Watched(text="no place"))

    with pytest.raises(UnauthenticatedError):
        stream.pause_after(refused(), has_new_token=True)
