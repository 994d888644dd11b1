"""The permissions that root gives to the user that runs PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stagely_rpc.embedded.account import Account, grant_read, grant_traversal

if TYPE_CHECKING:
    from pathlib import Path

OTHER_USER = Account(uid=54321, gid=54321)


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """An installation made with the umask 077."""
    tree = tmp_path / "install"
    (tree / "bin").mkdir(parents=True)
    for path, mode in ((tree / "bin" / "postgres", 0o700), (tree / "licence", 0o600)):
        path.touch()
        path.chmod(mode)
    for folder in (tree, tree / "bin"):
        folder.chmod(0o700)
    return tree


def test_private_installation_becomes_readable_and_executable(tree: Path) -> None:
    grant_read(tree, OTHER_USER)

    assert [mode_of(tree), mode_of(tree / "bin")] == [0o705, 0o705]
    assert mode_of(tree / "bin" / "postgres") == 0o705
    assert mode_of(tree / "licence") == 0o604


def test_directories_above_become_traversable_but_not_readable(tree: Path) -> None:
    tree.parent.chmod(0o700)

    grant_traversal(tree, OTHER_USER)

    assert mode_of(tree.parent) == 0o701
    assert mode_of(tree) == 0o700


def test_traversable_directory_is_not_changed(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    tree.parent.chmod(0o711)
    grant_traversal(tree, OTHER_USER)
    caplog.clear()

    grant_traversal(tree, OTHER_USER)

    assert mode_of(tree.parent) == 0o711
    assert caplog.text == ""


def test_nothing_is_changed_for_the_own_account(tree: Path) -> None:
    tree.parent.chmod(0o700)

    grant_traversal(tree, Account())
    grant_read(tree, Account())

    assert [mode_of(tree.parent), mode_of(tree)] == [0o700, 0o700]


def test_child_process_has_no_group_of_root() -> None:
    assert OTHER_USER.extra_groups == []
    assert Account().extra_groups is None
