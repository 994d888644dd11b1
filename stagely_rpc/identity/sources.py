"""Where a key set is read from: a file or a URL, each within a size and a time."""

from __future__ import annotations

import asyncio
import ssl
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from stagely_rpc.identity.keys import KeySetError
from stagely_rpc.identity.reloading import contents_of

if TYPE_CHECKING:
    import httpx2

MAX_BYTES = 1024 * 1024
FETCH_SECONDS = 5


class Source(Protocol):
    """Where a key set is read from.

    Attributes:
        name: for the log, without what could be secret.
        poll_seconds: how often it is worth a look.
        is_local: whether it can be counted on at start.
    """

    name: str
    poll_seconds: float
    is_local: bool

    async def read(self) -> bytes:
        """Return the document.

        Raises:
            KeySetError: it can't be read, or is too large.
        """


def source_at(location: str) -> Source:
    """Return the source at a URL or a path."""
    return UrlSource(location) if "://" in location else FileSource(Path(location))


class FileSource:
    """A file. It is read whole each time: that costs less than to know for certain that it has not changed."""

    poll_seconds = 5.0
    is_local = True

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    async def read(self) -> bytes:
        """Read the file, in a thread."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> bytes:
        try:
            return contents_of(self._path)
        except OSError as error:
            raise KeySetError(f"it can't be read: {error.strerror}") from error


class UrlSource:
    """A URL. A fetch takes 5 seconds at most, however slowly the server answers, and follows no redirects.

    No proxy of the environment is used.
    """

    poll_seconds = 600.0
    is_local = False

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.name = f"{parts.scheme}://{parts.netloc}{parts.path}"
        self._url = url

    async def read(self) -> bytes:
        """Fetch the document."""
        import httpx2  # noqa: PLC0415 - takes its time, and few need it

        try:
            async with (
                asyncio.timeout(FETCH_SECONDS),
                httpx2.AsyncClient(verify=await _trust(), trust_env=False, timeout=None) as client,
                client.stream("GET", self._url) as response,
            ):
                if response.status_code != HTTPStatus.OK:
                    raise KeySetError(f"the server answered {response.status_code}")
                return await _body(response)
        except TimeoutError:
            raise KeySetError(f"the server took longer than {FETCH_SECONDS} s") from None
        except httpx2.ConnectError as error:
            raise KeySetError(f"the connection failed: {error}") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            raise KeySetError(f"the fetch failed: {type(error).__name__}") from error


async def _trust() -> ssl.SSLContext:
    """Return what the system trusts, or SSL_CERT_FILE says; reading it takes too long for the event loop."""
    return await asyncio.to_thread(ssl.create_default_context)


async def _body(response: httpx2.Response) -> bytes:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > MAX_BYTES:
            raise KeySetError(f"it is larger than {MAX_BYTES // 1024} KiB")
    return bytes(body)
