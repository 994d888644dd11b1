"""Sources of a key set: a file or a URL. Both limit the size; a URL also limits the time."""

from __future__ import annotations

import asyncio
import ssl
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from stagely_rpc.identity.keys import KeySetError
from stagely_rpc.identity.reloading import read_regular_file

if TYPE_CHECKING:
    import httpx2

MAX_BYTES = 1024 * 1024
FETCH_SECONDS = 5


class Source(Protocol):
    """A source of a key set.

    Attributes:
        name: the name in logs, without parts that could be secret.
        poll_seconds: the interval between reads.
        is_local: whether the source must be readable at startup.
    """

    name: str
    poll_seconds: float
    is_local: bool

    async def read(self) -> bytes:
        """Return the document.

        Raises:
            KeySetError: the document can't be read, or is too large.
        """


def source_at(location: str) -> Source:
    """Return the source at a URL or a path."""
    return UrlSource(location) if "://" in location else FileSource(Path(location))


class FileSource:
    """A file. Each read reads the whole file: a reliable check for changes would cost more."""

    poll_seconds = 5.0
    is_local = True

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    async def read(self) -> bytes:
        """Read the file in a thread."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> bytes:
        try:
            return read_regular_file(self._path)
        except OSError as error:
            raise KeySetError(f"it can't be read: {error.strerror}") from error


class UrlSource:
    """A URL. A fetch takes at most 5 seconds, follows no redirects, and ignores the environment's proxy settings."""

    poll_seconds = 600.0
    is_local = False

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.name = f"{parts.scheme}://{parts.netloc}{parts.path}"
        self._url = url

    async def read(self) -> bytes:
        """Fetch the document."""
        import httpx2  # noqa: PLC0415 - slow to import, and few servers use a URL

        try:
            async with (
                asyncio.timeout(FETCH_SECONDS),
                httpx2.AsyncClient(verify=await _tls_context(), trust_env=False, timeout=None) as client,
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


async def _tls_context() -> ssl.SSLContext:
    """Load the system's trusted authorities, or those in SSL_CERT_FILE, in a thread: it would block the event loop."""
    return await asyncio.to_thread(ssl.create_default_context)


async def _body(response: httpx2.Response) -> bytes:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > MAX_BYTES:
            raise KeySetError(f"it is larger than {MAX_BYTES // 1024} KiB")
    return bytes(body)
