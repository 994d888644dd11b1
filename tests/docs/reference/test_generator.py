"""The generator of the pages, with this contract and with possible later ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

from tools.contract import Contract, read_contract
from tools.generated import compiled_files
from tools.reference.generate import breakable, generate_pages
from tools.reference.prose import Prose, codes_in, without_codes
from tools.reference.samples import example

if TYPE_CHECKING:
    from pathlib import Path

COMMENT = """\
SetSecret sets.

Codes:
- NOT_FOUND: there is no such project; or: no user
  `created_by`.
- ABORTED: the etag is stale."""


@pytest.fixture(scope="module")
def contract() -> Contract:
    return read_contract(compiled_files())


def test_codes_are_separated_from_the_rest_of_a_comment() -> None:
    assert without_codes(COMMENT) == "SetSecret sets."
    assert codes_in(COMMENT) == [
        ("NOT_FOUND", "there is no such project; or: no user `created_by`."),
        ("ABORTED", "the etag is stale."),
    ]


def test_names_in_a_comment_are_linked_except_its_own() -> None:
    prose = Prose({"GetTeam": "team.html#GetTeam", "Team": "team.html#Team", "ROLE_OWNER": "p.html#ROLE_OWNER"})

    shown = prose.line("GetTeam is for `Team`. Team x.GetTeam, ROLE_OWNER.", of="ROLE_OWNER")

    assert shown == (
        '<a href="team.html#GetTeam">GetTeam</a> is for <a href="team.html#Team"><code>Team</code></a>. '
        "Team x.GetTeam, ROLE_OWNER."
    )


def test_html_in_a_comment_is_escaped() -> None:
    assert Prose({}).paragraphs("<script>alert(1)</script>") == "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"


@pytest.mark.parametrize(
    ("name", "shown"),
    [("created_at", "created_<wbr>at"), ("teams.get", "teams.<wbr>get"), ("GetTeam", "Get<wbr>Team"), ("id", "id")],
)
def test_name_may_break_after_each_part(name: str, shown: str) -> None:
    assert breakable(name) == shown


def test_required_field_without_a_sample_is_refused() -> None:
    file = FileDescriptorProto(name="stagely/v1/build.proto", package="stagely.v1", syntax="proto3")
    request = file.message_type.add(name="RunBuildRequest")
    request.field.add(name="image", number=1, type=FieldDescriptorProto.TYPE_STRING, label=1)
    made = read_contract(FileDescriptorSet(file=[file]).SerializeToString()).files[0]

    with pytest.raises(ValueError, match=r"^RunBuildRequest\.image: is required, but .* has no sample for it$"):
        example(made.message_types_by_name[request.name], {"stagely.v1.RunBuildRequest.image": "Required."}, "Build")


def test_comment_of_each_kind_of_element_is_found(contract: Contract) -> None:
    assert contract.comments["stagely.v1.TeamService"].startswith("TeamService manages teams")
    assert contract.comments["stagely.v1.GetTeamRequest.key"] == "Required."
    assert contract.comments["stagely.v1.TeamRole.TEAM_ROLE_VIEWER"] == "Read-only access."
    assert contract.comments["stagely.v1"].startswith("Package stagely.v1 is the contract")


@pytest.mark.parametrize("of", ["rpc", "field", "value"])
def test_deprecated_element_is_marked(of: str, tmp_path: Path) -> None:
    files = FileDescriptorSet.FromString(compiled_files())
    (team,) = [file for file in files.file if file.name == "stagely/v1/team.proto"]
    deprecated = {
        "rpc": team.service[0].method[0],
        "field": team.message_type[0].field[0],
        "value": team.enum_type[0].value[0],
    }
    deprecated[of].options.deprecated = True  # type: ignore[attr-defined]

    generate_pages(read_contract(files.SerializeToString()), tmp_path)

    assert (tmp_path / "team.html").read_text().count('<span class="mark deprecated">deprecated</span>') == 1
