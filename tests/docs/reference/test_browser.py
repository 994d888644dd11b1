"""The pages in a real browser: on phone and desktop screens, in light and dark mode."""

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
# Measured: another sans-serif font 0.9, a monospace font 0.7, a page without its style or its heading below 0.5.
MIN_LIKENESS = 0.6

SCREENS = [("team.html", 390, "light"), ("team.html", 390, "dark"), ("team.html", 1280, "light")]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
async def tab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tab]:
    async with browsing(tmp_path_factory.mktemp("chromium")) as tab:
        yield tab


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (390, "dark"), (800, "light"), (1280, "dark")])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
async def test_page_has_no_layout_faults(tab: Tab, page: Path, width: int, scheme: Scheme) -> None:
    await tab.open(page, width=width, scheme=scheme)

    assert await tab.evaluate(LAYOUT) == []


async def test_table_folds_on_a_phone_and_not_on_a_desktop(tab: Tab) -> None:
    heads = "getComputedStyle(document.querySelector('thead')).display"

    await tab.open(REFERENCE / "team.html", width=360)
    on_a_phone = await tab.evaluate(heads)
    await tab.open(REFERENCE / "team.html", width=1280)

    assert (on_a_phone, await tab.evaluate(heads)) == ("none", "table-header-group")


async def test_table_in_a_comment_keeps_its_head_on_a_phone(tab: Tab) -> None:
    await tab.open(REFERENCE / "environment.html", width=360)

    head = "getComputedStyle(document.querySelector('table:not(.folding) thead')).display"
    assert await tab.evaluate(head) == "table-header-group"


async def test_contents_are_below_the_page_on_a_phone_and_next_to_it_on_a_desktop(tab: Tab) -> None:
    place = """(() => {
        const [nav, main] = ["nav", "main"].map((name) => document.querySelector(name).getBoundingClientRect());
        return nav.top >= main.bottom ? "below" : nav.right <= main.left ? "next to" : "overlapping";
    })()"""

    await tab.open(REFERENCE / "team.html", width=390)
    on_a_phone = await tab.evaluate(place)
    await tab.open(REFERENCE / "team.html", width=1280)

    assert (on_a_phone, await tab.evaluate(place)) == ("below", "next to")


@pytest.mark.parametrize(("page", "width", "scheme"), SCREENS)
async def test_page_looks_like_the_stored_screenshot(tab: Tab, page: str, width: int, scheme: Scheme) -> None:
    stored = HERE / "screens" / f"{Path(page).stem}-{width}-{scheme}.png"
    await tab.open(REFERENCE / page, width=width, scheme=scheme, scale=0.25)
    current = await tab.screenshot()
    if not stored.exists():
        stored.write_bytes(current)
        pytest.fail(f"{stored.name} was missing and has been written: check that it looks right, then commit it")

    assert await likeness(tab, stored.read_bytes(), current) > MIN_LIKENESS


@pytest.mark.parametrize("change", ["document.querySelector('link').remove()", "document.querySelector('h1').remove()"])
async def test_broken_page_does_not_look_like_the_screenshot(tab: Tab, change: str) -> None:
    stored = HERE / "screens" / "team-390-light.png"
    await tab.open(REFERENCE / "team.html", width=390, scale=0.25)
    await tab.evaluate(change)

    assert await likeness(tab, stored.read_bytes(), await tab.screenshot()) < MIN_LIKENESS


@pytest.mark.parametrize(
    ("mutation", "fault"),
    [
        ("main.style.width = '600px'", "px wider than the screen"),
        ("main.querySelector('p').style.color = '#999'", "has a contrast of"),
        ("main.querySelector('p').style.marginBottom = '-60px'", "overlaps"),
        ("main.querySelector('p').style.marginLeft = '-30px'", "extends beyond the screen"),
    ],
)
async def test_layout_fault_is_reported(tab: Tab, mutation: str, fault: str) -> None:
    await tab.open(REFERENCE / "team.html", width=390)
    await tab.evaluate(f"(() => {{ const main = document.querySelector('main'); {mutation}; }})()")

    assert fault in "\n".join(await tab.evaluate(LAYOUT))


async def likeness(tab: Tab, one: bytes, other: bytes) -> float:
    pictures = ", ".join(json.dumps(base64.b64encode(png).decode()) for png in (one, other))
    alike: float = await tab.evaluate(f"({LIKENESS})({pictures})")
    return alike
