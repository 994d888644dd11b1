"""A real browser, driven by the Chrome DevTools Protocol."""

from __future__ import annotations

import asyncio
import base64
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

import aiohttp

from tests.support.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

Scheme = Literal["light", "dark"]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HEIGHT = 844
START_SECONDS = 60
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


class Tab:
    """The one tab of a browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0

    async def _call(self, method: str, **parameters: object) -> Any:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while (answer := await self._socket.receive_json()).get("id") != self._number:
            pass
        assert "error" not in answer, (method, answer)
        return answer["result"]

    async def open(
        self, page: Path, *, width: int, height: int = 844, scheme: Scheme = "light", scale: float = 1
    ) -> None:
        """Open a page, as a screen of this width would, and wait until it stands."""
        screen = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600}
        await self._call("Emulation.setDeviceMetricsOverride", **screen)
        await self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        await self._call("Page.navigate", url=page.as_uri())
        await eventually(self._state, "complete", seconds=START_SECONDS)

    async def _state(self) -> Any:
        return await self.evaluate("document.readyState")

    async def evaluate(self, expression: str) -> Any:
        """Return what an expression, or the promise that it returns, comes to in the page."""
        said = await self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    async def screenshot(self) -> bytes:
        """Return what is to be seen, as PNG."""
        return base64.b64decode((await self._call("Page.captureScreenshot", format="png"))["data"])


@asynccontextmanager
async def browsing(directory: Path) -> AsyncIterator[Tab]:
    """Run a browser with nothing but a new profile in a directory."""
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        *OPTIONS,
        f"--user-data-dir={directory}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        port = await _port(directory)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            async with session.get("/json/list") as listed:
                (tab,) = [each for each in await listed.json() if each["type"] == "page"]
            async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Tab(socket)
    finally:
        process.terminate()
        await process.wait()


async def _port(directory: Path) -> int:
    """Wait for the browser to say where it listens."""
    said = directory / "DevToolsActivePort"

    async def is_complete() -> bool:
        return said.exists() and len(said.read_text().splitlines()) > 1

    await eventually(is_complete, expected=True, seconds=START_SECONDS)
    return int(said.read_text().splitlines()[0])
