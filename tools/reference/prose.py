"""Renders the comments of the contract: Markdown to HTML, with links from names to their descriptions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from markdown_it import MarkdownIt
from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Mapping

CODES = re.compile(r"(?:^|\n\n)Codes:\n(?P<items>(?:- .*(?:\n|$)(?:  .*(?:\n|$))*)+)")
# A name of the contract, in backticks or bare. A bare word such as Team is English, and gets no link.
NAME = re.compile(r"`(?P<code>[^`]+)`|(?<![\w.])(?P<word>[A-Z]\w*(?:[a-z][A-Z]|_)\w*)")


class Code(NamedTuple):
    """A status code that an RPC can return, and when."""

    name: str
    when: str


class Prose:
    """Renders comments.

    Args:
        links: the link to the description of each name.
    """

    def __init__(self, links: Mapping[str, str]) -> None:
        self._links = links
        self._markdown = MarkdownIt("commonmark", {"html": False}).enable("table")

    def paragraphs(self, comment: str, *, of: str = "") -> Markup:
        """Return a comment as HTML blocks. `of` is the name that the comment describes; it gets no link."""
        return Markup(self._markdown.render(self._linked(comment, of)))  # noqa: S704 - rendered with HTML off

    def line(self, comment: str, *, of: str = "") -> Markup:
        """Return a comment of one paragraph as inline HTML."""
        return Markup(self._markdown.renderInline(self._linked(comment, of)))  # noqa: S704 - rendered with HTML off

    def _linked(self, comment: str, of: str) -> str:
        def link(found: re.Match[str]) -> str:
            name = found["code"] or found["word"]
            return f"[{found[0]}]({self._links[name]})" if name in self._links and name != of else found[0]

        return NAME.sub(link, comment)


def without_codes(comment: str) -> str:
    """Return a comment without its list of codes."""
    return CODES.sub("", comment)


def codes_in(comment: str) -> list[Code]:
    """Return the codes that a comment lists."""
    if not (section := CODES.search(comment)):
        return []
    items = re.split(r"(?m)^- ", section["items"])[1:]
    return [Code(*" ".join(item.split()).split(": ", maxsplit=1)) for item in items]
