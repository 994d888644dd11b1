"""A real browser, driven over the Chrome DevTools Protocol."""

from __future__ import annotations

import asyncio
import base64
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

import httpx2
import orjson
from websockets.asyncio.client import connect

from tests.support.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from websockets.asyncio.client import ClientConnection

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
    """The only tab of a browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0

    async def _call(self, method: str, **parameters: object) -> Any:
        self._number += 1
        await self._socket.send(orjson.dumps({"id": self._number, "method": method, "params": parameters}), text=True)
        while (reply := orjson.loads(await self._socket.recv())).get("id") != self._number:
            pass
        assert "error" not in reply, (method, reply)
        return reply["result"]

    async def open(
        self, page: Path, *, width: int, height: int = 844, scheme: Scheme = "light", scale: float = 1
    ) -> None:
        """Open a page on a screen of this width, and wait until it is loaded."""
        screen = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600}
        await self._call("Emulation.setDeviceMetricsOverride", **screen)
        await self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        await self._call("Page.navigate", url=page.as_uri())
        await eventually(self._state, "complete", seconds=START_SECONDS)

    async def _state(self) -> Any:
        return await self.evaluate("document.readyState")

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page. Await a promise."""
        outcome = await self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in outcome, outcome
        return outcome["result"].get("value")

    async def screenshot(self) -> bytes:
        """Return a PNG of the visible part of the page."""
        return base64.b64decode((await self._call("Page.captureScreenshot", format="png"))["data"])


@asynccontextmanager
async def browsing(directory: Path) -> AsyncIterator[Tab]:
    """Run a browser with a new profile in a directory."""
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
        async with connect(await _address(port), max_size=None, ping_interval=None, proxy=None) as socket:
            yield Tab(socket)
    finally:
        process.terminate()
        await process.wait()


async def _address(port: int) -> str:
    """Return the WebSocket URL of the only tab."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        listed = await client.get(f"http://127.0.0.1:{port}/json/list")
    (tab,) = [each for each in listed.json() if each["type"] == "page"]
    return str(tab["webSocketDebuggerUrl"])


async def _port(directory: Path) -> int:
    """Wait until the browser has written the port that it listens on."""
    port_file = directory / "DevToolsActivePort"

    async def is_complete() -> bool:
        return port_file.exists() and len(port_file.read_text().splitlines()) > 1

    await eventually(is_complete, expected=True, seconds=START_SECONDS)
    return int(port_file.read_text().splitlines()[0])
