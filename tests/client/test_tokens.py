"""Tokens: sent with each call, read again when their file changes, and shown to nobody else."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING

import grpc
import pytest

from stagely_rpc import client
from stagely_rpc.client import connect, connect_sync
from stagely_rpc.client.tokens import TokenFile
from tests.support.client.recorder import sent_to

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.client.recorder import Recorder

SOME_ID = "0b5a2a6e-54f0-4c0e-9f0b-7f1d5a0f3c11"
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED


def replace(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.rename(path)


async def test_token_is_sent_with_each_call_if_there_is_one(recorder: Recorder) -> None:
    async with connect(recorder.target, token="abc") as stagely, connect(recorder.target) as nobody:
        await stagely.teams.get(SOME_ID)
        await anext(stagely.audit.verify_log())
        await nobody.teams.get(SOME_ID)

    assert sent_to(recorder) == ["Bearer abc", "Bearer abc", None]


async def test_token_is_sent_with_each_call_without_asyncio(recorder: Recorder) -> None:
    def call() -> None:
        with connect_sync(recorder.target, token="abc") as stagely:
            stagely.teams.get(SOME_ID)
            next(stagely.audit.verify_log())

    await asyncio.to_thread(call)

    assert sent_to(recorder) == ["Bearer abc", "Bearer abc"]


async def test_token_file_is_read_again_when_it_changes(recorder: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")
    async with connect(recorder.target, token_file=path) as stagely:
        await stagely.teams.get(SOME_ID)
        replace(path, "other\n")
        await stagely.teams.get(SOME_ID)

    assert sent_to(recorder) == ["Bearer first", "Bearer other"]


async def test_projected_token_is_followed_through_its_links(recorder: Recorder, tmp_path: Path) -> None:
    """As the kubelet does it: `token` → `..data/token`, and `..data` is what changes."""
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "token").write_text(version)
        os.utime(tmp_path / version / "token", (0, 0))
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "token").symlink_to("..data/token")

    async with connect(recorder.target, token_file=tmp_path / "token") as stagely:
        await stagely.teams.get(SOME_ID)
        (tmp_path / "..fresh").symlink_to("two")
        (tmp_path / "..fresh").rename(tmp_path / "..data")
        await stagely.teams.get(SOME_ID)

    assert sent_to(recorder) == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize(
    "mutation", [lambda path: path.unlink(), lambda path: path.write_text("")], ids=["gone", "empty"]
)
async def test_last_token_stays_in_use_while_its_file_is_missing(
    recorder: Recorder, tmp_path: Path, mutation: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    path.write_text("first")
    async with connect(recorder.target, token_file=path) as stagely:
        mutation(path)
        await stagely.teams.get(SOME_ID)
        replace(path, "other")
        await stagely.teams.get(SOME_ID)

    assert sent_to(recorder) == ["Bearer first", "Bearer other"]
    assert "its last token stays in use" in caplog.text
    assert "first" not in caplog.text


def test_missing_or_empty_token_file_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()

    with pytest.raises(FileNotFoundError):
        connect_sync("localhost:1", token_file=tmp_path / "missing")
    with pytest.raises(ValueError, match="one word of visible ASCII"):
        connect_sync("localhost:1", token_file=tmp_path / "empty")


async def test_refused_token_of_an_unchanged_file_is_final(recorder: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first")
    recorder.answers = [UNAUTHENTICATED, UNAUTHENTICATED]
    async with connect(recorder.target, token_file=path) as stagely:
        with pytest.raises(client.UnauthenticatedError):
            await stagely.teams.get(SOME_ID)

    assert sent_to(recorder) == ["Bearer first"]


def test_refused_token_of_a_file_is_replaced_by_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first")
    tokens = TokenFile(path)
    first = tokens.get()
    replace(path, "other")

    assert tokens.refused(first)
    assert not tokens.refused("other")


@pytest.mark.parametrize("bad", ["", "two words", "line\nbreak", "naïve", "nul\0"])
def test_token_that_is_invalid_in_a_header_is_refused_and_not_quoted(bad: str) -> None:
    with pytest.raises(ValueError, match=r"^the token must be one word of visible ASCII characters$"):
        connect_sync("localhost:1", token=bad)


def test_token_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^give either token or token_file$"):
        connect_sync("localhost:1", token="abc", token_file=tmp_path / "token")


async def test_token_is_not_in_reprs_and_logs(recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    recorder.answers = [UNAUTHENTICATED]
    with caplog.at_level(logging.DEBUG):
        async with connect(recorder.target, token="correct-horse") as stagely:
            with pytest.raises(client.UnauthenticatedError) as failed:
                await stagely.teams.get(SOME_ID)
            shown = [repr(stagely), repr(stagely.teams), repr(vars(stagely)), repr(vars(vars(stagely)["_calls"]))]

    assert repr(stagely) == f"Stagely('{recorder.target}')"
    assert "correct-horse" not in " ".join([*shown, caplog.text, repr(failed.value), repr(failed.value.__cause__)])


async def test_client_for_a_user_is_a_separate_view(recorder: Recorder) -> None:
    async with connect(recorder.target, token="abc") as stagely:
        await stagely.acting_for(SOME_ID).teams.get(SOME_ID)
        await stagely.teams.get(SOME_ID)
        with pytest.raises(ValueError, match="UUID"):
            stagely.acting_for("ada\n")

    users = [received.metadata.get("x-stagely-user-id") for received in recorder.received]
    assert users == [SOME_ID, None]
    assert sent_to(recorder) == ["Bearer abc", "Bearer abc"]


async def test_client_acts_for_a_user_without_asyncio(recorder: Recorder) -> None:
    def call() -> None:
        with connect_sync(recorder.target, token="abc") as stagely:
            stagely.acting_for(SOME_ID).teams.get(SOME_ID)

    await asyncio.to_thread(call)

    assert recorder.received[0].metadata["x-stagely-user-id"] == SOME_ID
    assert sent_to(recorder) == ["Bearer abc"]
