"""Resumes streams of responses after an interruption."""

from __future__ import annotations

import copy
import logging
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from google.protobuf.message import Message

from stagely_rpc.client.errors import StagelyError, UnauthenticatedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

Resumable = TypeVar("Resumable", bound=Message)

FIRST_PAUSE_SECONDS = 0.2
MAX_PAUSE_SECONDS = 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The cursor fields of a stream.

    Attributes:
        request_field: the field of the request with the position to start at.
        response_field: the field of a response with the position to continue at.
    """

    request_field: str
    response_field: str


class Resumption(Generic[Resumable]):
    """The position of a stream, and its number of consecutive interruptions.

    A stream is resumed after UNAVAILABLE, and with a new token after UNAUTHENTICATED. It is resumed any number of
    times, until its timeout, if it has one. If its position is unknown, the error is raised, because a restarted stream
    would lose or repeat responses. Before the first response, the position is that of the request.

    Attributes:
        request: the request for the next responses.
    """

    def __init__(
        self,
        request: Resumable,
        cursor: Cursor,
        timeout: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the first request.

        Args:
            request: the request, which is not modified. It may have a position.
            cursor: the cursor fields of the stream.
            timeout: the time limit of the stream with all interruptions, in seconds.
            clock: returns the time in seconds.
        """
        self.request = copy.deepcopy(request)
        self._cursor = cursor
        self._clock = clock
        self._ends_at = None if timeout is None else clock() + timeout
        self._place_is_known = getattr(request, cursor.request_field) != ""
        self._may_begin_again = True
        self._interruptions = 0
        self._refusals = 0

    def seconds_left(self) -> float | None:
        """Return the rest of the timeout, if any."""
        return None if self._ends_at is None else self._ends_at - self._clock()

    def advance(self, response: Message) -> None:
        """Note the position of a response."""
        place = getattr(response, self._cursor.response_field)
        self._place_is_known = self._may_begin_again = place != ""
        setattr(self.request, self._cursor.request_field, place)
        self._interruptions = self._refusals = 0

    def pause_after(self, error: StagelyError, *, has_new_token: bool) -> float:
        """Return the delay in seconds before the stream is resumed.

        Args:
            error: the error that ended the stream.
            has_new_token: whether there may be a token other than the refused one.

        Raises:
            StagelyError: `error`, if the stream can't be resumed.
        """
        if isinstance(error, UnauthenticatedError):
            return self._pause_after_refusal(error, has_new_token=has_new_token)
        if not isinstance(error, UnavailableError) or not self._place_is_known:
            raise error
        pause = random.uniform(0, min(MAX_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**self._interruptions))  # noqa: S311
        if error.retry_delay is not None:
            pause = max(pause, error.retry_delay.total_seconds())
        if self._interruptions == 0:
            _log.warning("stream interrupted: resuming it: %s %s", error.code.name, error.reason)
        self._interruptions = min(self._interruptions + 1, 16)
        left = self.seconds_left()
        return pause if left is None else max(0.0, min(pause, left))

    def _pause_after_refusal(self, error: UnauthenticatedError, *, has_new_token: bool) -> float:
        """Resume at once, but only once per response."""
        if not has_new_token or not self._may_begin_again or self._refusals:
            raise error
        self._refusals += 1
        return 0.0
