"""Parses the pages: their ids, links and text."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

REFERENCE = Path(__file__).resolve().parents[3] / "docs" / "reference"
PAGES = sorted(REFERENCE.glob("*.html"))
VOID = {"meta", "link", "wbr"}


@dataclass
class Page:
    """The parsed content of a page.

    Attributes:
        ids: the ids of its elements, which links can name.
        links: the targets of its links.
        tags: the names of its elements.
        examples: the text of each example.
        text: its text.
    """

    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    examples: list[str] = field(default_factory=list)
    text: str = ""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.page.tags.add(tag)
        if "id" in given:
            self.page.ids.append(given["id"] or "")
        self.page.links.extend(given[name] or "" for name in ("href", "src") if name in given)
        if tag == "pre":
            self.page.examples.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        self.page.text += data
        if "pre" in self.open:
            self.page.examples[-1] += data


def read(path: Path) -> Page:
    """Parse a page. Fail if an element is not closed in order."""
    reader = _Reader()
    reader.feed(path.read_text())
    reader.close()
    assert reader.open == []
    return reader.page
