"""Writes the pages: one for each service, and the pages for all services."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tools.reference.described import Describer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tools.contract import Contract
    from tools.reference.shown import Code, Rpc, Service

TEMPLATES = Path(__file__).parent / "templates"
PERMISSIONS = "permissions.html"
STYLE = "reference.css"
# The end of a part of a_name, a.name or AName.
PART = re.compile(r"(?<=[._])|(?<=[a-z])(?=[A-Z])")
# The pages for all services.
PAGES = {
    "index.html": "Services",
    "conventions.html": "Conventions",
    PERMISSIONS: "Permissions",
    "codes.html": "Codes",
}


def generate_pages(contract: Contract, directory: Path) -> None:
    """Write every page and the style sheet."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    describer = Describer(contract, PERMISSIONS)
    services = describer.services()
    environment.filters["breakable"] = breakable
    environment.globals.update(services=services, pages=PAGES)
    for page, title in PAGES.items():
        template = environment.get_template(f"{page}.jinja")
        shown = template.render(page=page, title=title, describer=describer, codes=by_code(services))
        (directory / page).write_text(shown)
    template = environment.get_template("service.html.jinja")
    for service in services:
        shown = template.render(page=service.page, title=service.name, service=service)
        (directory / service.page).write_text(shown)
    (directory / STYLE).write_text((TEMPLATES / STYLE).read_text())


def by_code(services: Iterable[Service]) -> dict[grpc.StatusCode, list[tuple[Service, Rpc, Code]]]:
    """Return the RPCs that list each code, with the condition. The codes are ordered by number."""
    named = defaultdict(list)
    for service in services:
        for rpc in service.rpcs:
            for code in rpc.codes:
                named[grpc.StatusCode[code.name]].append((service, rpc, code))
    return dict(sorted(named.items(), key=lambda item: item[0].value[0]))


def breakable(name: str) -> Markup:
    """Return a name in which a line may break after each part."""
    return Markup("<wbr>").join(PART.split(name))
