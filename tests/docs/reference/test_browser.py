"""The pages in a real browser: on a phone, on a desk, in light and in dark."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.reference.browser import CHROMIUM, Scheme, Tab, browsing
from tests.support.reference.html import PAGES, REFERENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HERE = Path(__file__).parent


LAYOUT = (HERE / "layout.js").read_text()
LIKENESS = (HERE / "likeness.js").read_text()
# Another sans-serif is at 0.9 and a monospace font at 0.7; a page without its style, or its heading, is below 0.5.
ALIKE = 0.6

SCREENS = [("team.html", 390, "light"), ("team.html", 390, "dark"), ("team.html", 1280, "light")]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
async def tab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tab]:
    async with browsing(tmp_path_factory.mktemp("chromium")) as tab:
        yield tab


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (390, "dark"), (800, "light"), (1280, "dark")])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
async def test_everything_can_be_read(tab: Tab, page: Path, width: int, scheme: Scheme) -> None:
    await tab.open(page, width=width, scheme=scheme)

    assert await tab.evaluate(LAYOUT) == []


async def test_a_table_folds_on_a_phone_and_not_on_a_desk(tab: Tab) -> None:
    heads = "getComputedStyle(document.querySelector('thead')).display"

    await tab.open(REFERENCE / "team.html", width=360)
    on_a_phone = await tab.evaluate(heads)
    await tab.open(REFERENCE / "team.html", width=1280)

    assert (on_a_phone, await tab.evaluate(heads)) == ("none", "table-header-group")


async def test_a_table_whose_head_says_what_its_cells_are_keeps_it_on_a_phone(tab: Tab) -> None:
    await tab.open(REFERENCE / "environment.html", width=360)

    head = "getComputedStyle(document.querySelector('table:not(.folding) thead')).display"
    assert await tab.evaluate(head) == "table-header-group"


async def test_contents_stand_below_the_page_on_a_phone_and_beside_it_on_a_desk(tab: Tab) -> None:
    place = """(() => {
        const [nav, main] = ["nav", "main"].map((name) => document.querySelector(name).getBoundingClientRect());
        return nav.top >= main.bottom ? "below" : nav.right <= main.left ? "beside" : "over";
    })()"""

    await tab.open(REFERENCE / "team.html", width=390)
    on_a_phone = await tab.evaluate(place)
    await tab.open(REFERENCE / "team.html", width=1280)

    assert (on_a_phone, await tab.evaluate(place)) == ("below", "beside")


@pytest.mark.parametrize(("page", "width", "scheme"), SCREENS)
async def test_page_looks_as_it_did(tab: Tab, page: str, width: int, scheme: Scheme) -> None:
    kept = HERE / "screens" / f"{Path(page).stem}-{width}-{scheme}.png"
    await tab.open(REFERENCE / page, width=width, scheme=scheme, scale=0.25)
    seen = await tab.screenshot()
    if not kept.exists():
        kept.write_bytes(seen)
        pytest.fail(f"there was no {kept.name}: look at the one that there is now, and keep it")

    assert await likeness(tab, kept.read_bytes(), seen) > ALIKE


@pytest.mark.parametrize("spoil", ["document.querySelector('link').remove()", "document.querySelector('h1').remove()"])
async def test_spoiled_page_does_not_look_as_it_did(tab: Tab, spoil: str) -> None:
    kept = HERE / "screens" / "team-390-light.png"
    await tab.open(REFERENCE / "team.html", width=390, scale=0.25)
    await tab.evaluate(spoil)

    assert await likeness(tab, kept.read_bytes(), await tab.screenshot()) < ALIKE


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        ("main.style.width = '600px'", "px wider than the screen"),
        ("main.querySelector('p').style.color = '#999'", "has a contrast of"),
        ("main.querySelector('p').style.marginBottom = '-60px'", "lies over"),
        ("main.querySelector('p').style.marginLeft = '-30px'", "stands out of the screen"),
    ],
)
async def test_fault_of_the_layout_is_found(tab: Tab, spoil: str, fault: str) -> None:
    await tab.open(REFERENCE / "team.html", width=390)
    await tab.evaluate(f"(() => {{ const main = document.querySelector('main'); {spoil}; }})()")

    assert fault in "\n".join(await tab.evaluate(LAYOUT))


async def likeness(tab: Tab, one: bytes, other: bytes) -> float:
    pictures = ", ".join(json.dumps(base64.b64encode(png).decode()) for png in (one, other))
    alike: float = await tab.evaluate(f"({LIKENESS})({pictures})")
    return alike
