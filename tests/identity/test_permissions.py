from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stagely_rpc.identity.permissions import PermissionsError, is_identity, is_permission, load_permissions

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "permissions.toml"


@pytest.mark.parametrize("text", ["*", "secrets.*", "secrets.access", "cloud_providers.access", "users.impersonate"])
def test_permission_is_a_kind_and_a_verb_or_a_wildcard(text: str) -> None:
    assert is_permission(text)


@pytest.mark.parametrize(
    "text",
    ["", "secrets", "secrets.", ".access", "*.access", "*.*", "**", "a.b.c", "Secrets.access", "a.b\n", "a.b1", " a.b"],
)
def test_other_text_is_not_a_permission(text: str) -> None:
    assert not is_permission(text)


@pytest.mark.parametrize("text", ["reaper", "spiffe://stagely.dev/reaper", "Build Runner 7", "é", "r" * 200])
def test_identity_is_a_printable_name(text: str) -> None:
    assert is_identity(text)


@pytest.mark.parametrize("text", ["", " ", "reaper ", "r" * 201, "rea\tper", "rea\u200bper", "rea\u2028per", "\ud800"])
def test_unprintable_or_padded_text_is_not_an_identity(text: str) -> None:
    assert not is_identity(text)


def test_identities_have_the_permissions_that_the_file_gives_them(path: Path) -> None:
    path.write_text('[identities]\n"spiffe://stagely.dev/reaper" = ["environments.*", "teams.get"]\nrouter = []\n')

    permissions = load_permissions(path)

    assert list(permissions) == ["spiffe://stagely.dev/reaper", "router"]
    assert list(permissions["spiffe://stagely.dev/reaper"]) == ["environments.*", "teams.get"]
    assert list(permissions["router"]) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "the table [identities] is missing"),
        ("identities = 7", "the table [identities] is missing"),
        ("[identities]\n[services]", "unknown key 'services'; the only table is [identities]"),
        ('[identities]\nreaper = "*"', "identity 'reaper': must have a list of permissions"),
        ("[identities.reaper]\nx = 1", "identity 'reaper': must have a list of permissions"),
        ("[identities]\nreaper = [7]", "identity 'reaper': 7 is not a permission (`kind.verb`, `kind.*` or `*`)"),
        (
            '[identities]\nreaper = ["*", "all"]',
            "identity 'reaper': 'all' is not a permission (`kind.verb`, `kind.*` or `*`)",
        ),
        ('[identities]\n" " = ["*"]', "identity ' ': must have 1 to 200 printable characters"),
    ],
)
def test_file_of_another_form_is_refused(path: Path, content: str, problem: str) -> None:
    path.write_text(content)

    with pytest.raises(PermissionsError) as refused:
        load_permissions(path)

    assert str(refused.value) == f"the permissions file {path} can't be used: {problem}"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[identities", b'[identities]\nreaper = ["*"]\nreaper = []'])
def test_file_that_is_not_toml_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    with pytest.raises(PermissionsError, match=f"^the permissions file {path} can't be used: "):
        load_permissions(path)


def test_missing_file_is_refused(path: Path) -> None:
    with pytest.raises(PermissionsError, match=r"can't be read: No such file or directory$"):
        load_permissions(path)
