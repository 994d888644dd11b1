"""Lists over all pages. The next page is requested when the items of the previous page are consumed."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator


class PageRequest(Protocol):
    """The request of a list."""

    page_token: str


class PageResponse(Protocol):
    """A page of a list."""

    @property
    def next_page_token(self) -> str:
        """The token of the next page. Empty: this is the last page."""


Item = TypeVar("Item")
Page = TypeVar("Page", bound=PageResponse)
Request = TypeVar("Request", bound=PageRequest)


class Pager(Generic[Item, Page]):
    """A list. `async for` yields the items of all pages, each time from the start."""

    def __init__(
        self, fetch: Callable[[Request], Awaitable[Page]], request: Request, items: Callable[[Page], Iterable[Item]]
    ) -> None:
        self._fetch = fetch
        self._request = request
        self._items = items

    async def __aiter__(self) -> AsyncIterator[Item]:
        async for page in self.pages():
            for item in self._items(page):
                yield item

    async def pages(self) -> AsyncIterator[Page]:
        """Yield the pages of the list. The `next_page_token` of a page continues after it."""
        request = copy.deepcopy(self._request)
        while True:
            page = await self._fetch(request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


class SyncPager(Generic[Item, Page]):
    """A list. `for` yields the items of all pages, each time from the start."""

    def __init__(
        self, fetch: Callable[[Request], Page], request: Request, items: Callable[[Page], Iterable[Item]]
    ) -> None:
        self._fetch = fetch
        self._request = request
        self._items = items

    def __iter__(self) -> Iterator[Item]:
        for page in self.pages():
            yield from self._items(page)

    def pages(self) -> Iterator[Page]:
        """Yield the pages of the list. The `next_page_token` of a page continues after it."""
        request = copy.deepcopy(self._request)
        while True:
            page = self._fetch(request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token
