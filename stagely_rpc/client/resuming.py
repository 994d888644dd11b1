"""How a stream of responses goes on after its connection has ended: where it was, and when to call again."""

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
    """How a stream says where it is.

    Attributes:
        request_field: the field of a request that says where the stream begins.
        response_field: the field of a response that says where the stream goes on after it.
    """

    request_field: str
    response_field: str


class Resumption(Generic[Resumable]):
    """Where a stream is, and how often in a row it was interrupted.

    A stream is resumed after UNAVAILABLE, and with a new token after UNAUTHENTICATED. It is resumed for as long as it
    takes, unless it has a timeout. Where its place is not known, the error is raised, because a stream that began again
    would lose responses or repeat them. Before the first response, the place is what the request says.

    Attributes:
        request: asks for what comes next.
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
            request: which is not changed; it may say where to begin.
            cursor: how the stream says where it is.
            timeout: seconds that the stream may take, with all interruptions.
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
        """Return what is left of the timeout, if there is one."""
        return None if self._ends_at is None else self._ends_at - self._clock()

    def advance(self, response: Message) -> None:
        """Take note of a response: the stream goes on after it."""
        place = getattr(response, self._cursor.response_field)
        self._place_is_known = self._may_begin_again = place != ""
        setattr(self.request, self._cursor.request_field, place)
        self._interruptions = self._refusals = 0

    def pause_after(self, error: StagelyError, *, has_new_token: bool) -> float:
        """Return how many seconds to wait before the stream is called again.

        Args:
            error: what ended it.
            has_new_token: whether there may be another token than the one that was refused.

        Raises:
            StagelyError: the error, if the stream can't be resumed after it.
        """
        if isinstance(error, UnauthenticatedError):
            return self._pause_after_refusal(error, has_new_token=has_new_token)
        if not isinstance(error, UnavailableError) or not self._place_is_known:
            raise error
        pause = random.uniform(0, min(MAX_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**self._interruptions))  # noqa: S311
        if error.retry_delay is not None:
            pause = max(pause, error.retry_delay.total_seconds())
        if self._interruptions == 0:
            _log.warning("stream interrupted, it is resumed: %s %s", error.code.name, error.reason)
        self._interruptions = min(self._interruptions + 1, 16)
        left = self.seconds_left()
        return pause if left is None else max(0.0, min(pause, left))

    def _pause_after_refusal(self, error: UnauthenticatedError, *, has_new_token: bool) -> float:
        """Call again at once, but once only for each response."""
        if not has_new_token or not self._may_begin_again or self._refusals:
            raise error
        self._refusals += 1
        return 0.0
