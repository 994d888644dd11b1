"""Sends streams of requests in a sync client. gRPC reads the iterator in a thread, and hides its errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

Request = TypeVar("Request")


class SentRequests(Generic[Request]):
    """The requests of a stream. A call in its block raises the errors of the iterator."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self._requests = iter(requests)
        self._error: BaseException | None = None

    def __iter__(self) -> Iterator[Request]:
        return self

    def __next__(self) -> Request:
        try:
            return next(self._requests)
        except StopIteration:
            raise
        except BaseException as error:
            self._error = error
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and self._error is not None:
            raise self._error from None
