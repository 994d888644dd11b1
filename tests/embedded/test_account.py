"""What root opens, and does not open, to the user that runs PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stagely_rpc.embedded.account import Account, let_read, let_through

if TYPE_CHECKING:
    from pathlib import Path

STRANGER = Account(uid=54321, gid=54321)


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """An installation made under the umask 077."""
    tree = tmp_path / "install"
    (tree / "bin").mkdir(parents=True)
    for path, mode in ((tree / "bin" / "postgres", 0o700), (tree / "licence", 0o600)):
        path.touch()
        path.chmod(mode)
    for folder in (tree, tree / "bin"):
        folder.chmod(0o700)
    return tree


def test_private_installation_is_opened_for_reading_and_running(tree: Path) -> None:
    let_read(tree, STRANGER)

    assert [mode_of(tree), mode_of(tree / "bin")] == [0o705, 0o705]
    assert mode_of(tree / "bin" / "postgres") == 0o705
    assert mode_of(tree / "licence") == 0o604


def test_folders_above_are_opened_for_passing_and_never_for_listing(tree: Path) -> None:
    tree.parent.chmod(0o700)

    let_through(tree, STRANGER)

    assert mode_of(tree.parent) == 0o701
    assert mode_of(tree) == 0o700


def test_folder_that_can_be_passed_is_left_alone(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    tree.parent.chmod(0o711)
    let_through(tree, STRANGER)
    caplog.clear()

    let_through(tree, STRANGER)

    assert mode_of(tree.parent) == 0o711
    assert caplog.text == ""


def test_own_account_needs_nothing_opened(tree: Path) -> None:
    tree.parent.chmod(0o700)

    let_through(tree, Account())
    let_read(tree, Account())

    assert [mode_of(tree.parent), mode_of(tree)] == [0o700, 0o700]


def test_no_group_of_root_reaches_the_child() -> None:
    assert STRANGER.extra_groups == []
    assert Account().extra_groups is None
