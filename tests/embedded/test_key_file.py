"""The key files of `stagely-rpc dev`."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from stagely_rpc.embedded.postgres import EmbeddedError, load_or_create_key

if TYPE_CHECKING:
    from pathlib import Path

KEY = "0123456789abcdefABCDEF" + 42 * "0"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a key file in a folder that does not exist yet."""
    return tmp_path / "stagely" / "encryption.key"


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    path.chmod(mode)


def test_new_key_is_32_random_bytes_and_private_to_the_owner(path: Path, tmp_path: Path) -> None:
    key = load_or_create_key(path)

    assert len(bytes.fromhex(key)) == 32
    assert key != load_or_create_key(tmp_path / "other.key")
    assert path.stat().st_mode & 0o777 == 0o600


def test_mode_of_a_new_key_does_not_depend_on_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        load_or_create_key(path)
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o777 == 0o600


def test_existing_key_is_returned_again(path: Path) -> None:
    assert load_or_create_key(path) == load_or_create_key(path)


def test_folder_contains_only_the_key(path: Path) -> None:
    load_or_create_key(path)

    assert list(path.parent.iterdir()) == [path]


def test_concurrent_callers_get_the_same_first_key(path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(load_or_create_key, [path] * 200))

    assert len(keys) == 1


@pytest.mark.parametrize("content", [KEY.encode(), KEY.encode() + b"\n"])
def test_key_written_by_hand_is_accepted(path: Path, content: bytes) -> None:
    write(path, content)

    assert load_or_create_key(path) == KEY


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(KEY.encode()[:63], id="truncated"),
        pytest.param(KEY.encode() + b"0", id="too long"),
        pytest.param(KEY.encode() + b"\n\n", id="extra line"),
        pytest.param(KEY.encode()[:63] + b"g", id="not hex"),
        pytest.param(b"\xff" * 64, id="not text"),
    ],
)
def test_malformed_key_is_refused_without_showing_or_overwriting_it(path: Path, content: bytes) -> None:
    write(path, content)

    with pytest.raises(EmbeddedError) as refused:
        load_or_create_key(path)

    assert str(path) in str(refused.value)
    assert KEY[:22] not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert path.read_bytes() == content


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_key_accessible_to_others_is_refused(path: Path, mode: int) -> None:
    write(path, KEY.encode(), mode)

    with pytest.raises(EmbeddedError, match=f"is accessible to others \\(mode {mode:04o}\\): run chmod 600"):
        load_or_create_key(path)


def test_dangling_link_is_refused_and_not_changed(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to("elsewhere")

    with pytest.raises(EmbeddedError, match="No such file"):
        load_or_create_key(path)

    assert path.is_symlink()


def test_folder_at_the_path_of_the_key_is_refused(path: Path) -> None:
    path.mkdir(parents=True)

    with pytest.raises(EmbeddedError, match="cannot use the key file"):
        load_or_create_key(path)
