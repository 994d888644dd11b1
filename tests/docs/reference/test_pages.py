"""The content of the committed pages."""

from __future__ import annotations

import pytest

from tests.support.methods import FILES, METHODS, SERVICES
from tests.support.reference.html import PAGES, REFERENCE, read

READ = {path.name: read(path) for path in PAGES}
EXTERNAL = ("https://protobuf.dev/", "https://github.com/fullstorydev/grpcurl")


@pytest.mark.parametrize("name", READ)
def test_every_link_has_a_target(name: str) -> None:
    def has_target(link: str) -> bool:
        page, _, anchor = link.partition("#")
        if link.startswith(EXTERNAL):
            return True
        if page.endswith(".css"):
            return (REFERENCE / page).is_file()
        target = READ.get(page or name)
        return target is not None and (not anchor or anchor in target.ids)

    assert [link for link in READ[name].links if not has_target(link)] == []


@pytest.mark.parametrize("name", READ)
def test_ids_are_unique(name: str) -> None:
    ids = READ[name].ids

    assert sorted(ids) == sorted(set(ids))


@pytest.mark.parametrize("name", READ)
def test_page_has_no_script_and_no_external_resource(name: str) -> None:
    loading = {"script", "img", "iframe", "object", "embed", "video", "audio"}

    assert READ[name].tags & loading == set()
    assert "@import" not in (REFERENCE / "reference.css").read_text()
    assert "url(" not in (REFERENCE / "reference.css").read_text()


def test_every_rpc_message_field_enum_and_value_has_an_anchor() -> None:
    described = [file for file in FILES if file.services_by_name]
    messages = [message for file in described for message in file.message_types_by_name.values()]
    enums = [enum for file in FILES for enum in file.enum_types_by_name.values()]
    expected = {method.name.partition(".")[2] for method in METHODS}
    expected |= {message.name for message in messages} | {enum.name for enum in enums}
    expected |= {f"{message.name}.{field.name}" for message in messages for field in message.fields}
    expected |= {value.name for enum in enums for value in enum.values}

    assert expected - {anchor for page in READ.values() for anchor in page.ids} == set()


def test_every_service_has_a_page() -> None:
    assert {service.file.name.rpartition("/")[2].replace(".proto", ".html") for service in SERVICES} <= set(READ)


def test_tables_and_links_of_a_comment_are_rendered() -> None:
    transitions = (REFERENCE / "environment.html").read_text()

    assert "<td>building, for another try</td>" in transitions
    assert '<a href="environment.html#EnsureEnvironment">EnsureEnvironment</a> reuses it' in transitions


def test_section_of_an_rpc_says_who_may_call_it() -> None:
    _, _, section = (REFERENCE / "secret.html").read_text().partition('<section class="rpc" id="AccessSecret">')
    section, _, _ = section.partition("</section>")

    assert "<code>secrets.access</code>" in section
    assert '<a href="permissions.html#ROLE_ADMIN"><code>ROLE_ADMIN</code></a>' in section
    assert "<code>secret.access</code>" in section
    assert '<span class="mark sensitive">sensitive</span>' in section


def test_section_of_a_code_lists_the_rpcs_that_return_it() -> None:
    _, _, section = (REFERENCE / "codes.html").read_text().partition('<section id="DATA_LOSS">')
    section, _, _ = section.partition("</section>")

    assert {link for link in section.split('"') if link.endswith(".html#SetSecret")} == {"secret.html#SetSecret"}
    assert "team.html#CreateTeam" not in section
