from __future__ import annotations

import random
import string
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from tests.support.fuzz_server import run_concurrently
from tests.support.lists import LISTINGS, list_request, rows_of, with_changes
from tests.support.methods import LISTS, METHOD
from tests.support.refusals import refusal_of
from tests.support.seeds import seed
from tests.support.world import call_rpc

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from tests.support.fuzz_server import FuzzServer
    from tests.support.world import World

ALPHABET = string.ascii_letters + string.digits + "-_"

every_list = pytest.mark.parametrize("name", [method.name for method in LISTS])


async def token_of(fuzz_server: FuzzServer, world: World, name: str) -> str:
    """Return the page token of the second page. Pages have one row."""
    for _ in range(2):
        await LISTINGS[name].add(fuzz_server.channel, world)
    page = await call_rpc(fuzz_server.channel, name, with_changes(list_request(name, world), page_size=1))
    assert page.next_page_token
    return str(page.next_page_token)


async def accepted(fuzz_server: FuzzServer, name: str, requests: list[Message]) -> list[str]:
    """Return descriptions of the requests that are not refused because of their page token."""

    async def complain(request: Message) -> list[str]:
        error = await fuzz_server.send(METHOD[name], request.SerializeToString())
        if error is None:
            return [f"granted: {request}"]
        refusal = refusal_of(error)
        expected = grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID", {"page_token"}
        return [] if (refusal.code, refusal.reason, set(refusal.fields)) == expected else [f"{refusal}: {request}"]

    return await run_concurrently(requests, lambda: complain)


def changed_at(token: str, index: int, letter: str) -> str:
    return token[:index] + letter + token[index + 1 :]


def malformed(token: str) -> list[str]:
    """Return invalid tokens, from arbitrary text to tokens with a single changed letter."""
    chance = random.Random(20261122)  # noqa: S311 - must be reproducible
    other = {letter: ALPHABET.replace(letter, "") for letter in ALPHABET}
    return [
        *("x", "%", "0", "null", "🦄", "\0", "\n", "=", "====", "../../etc/passwd", "'; DROP TABLE teams;--"),
        *("A" * length for length in (1, 2, 3, 4, 32, 53, 54, 55, 56, 57, 100_000)),
        *("".join(chance.choices(ALPHABET, k=len(token))) for _ in range(10)),
        *(token[:length] for length in range(1, len(token), 5)),
        *(token[1:], token * 2, token[::-1], token.swapcase(), f"A{token}", f"{token}A", f"{token}AA"),
        *(f"{token}=", f"{token}==", f" {token}", f"{token}\n", f"{token[:20]}\n{token[20:]}", f"{token}\0"),
        *(changed_at(token, index, chance.choice(other[letter])) for index, letter in enumerate(token)),
        *(changed_at(token, len(token) - 1, letter) for letter in other[token[-1]][::4]),
        *(changed_at(token, index, "+") for index in (0, 20, 40)),
    ]


@every_list
async def test_malformed_tokens_are_refused(fuzz_server: FuzzServer, module_world: World, name: str) -> None:
    token = await token_of(fuzz_server, module_world, name)
    request = list_request(name, module_world)

    requests = [with_changes(request, page_size=1, page_token=bad) for bad in malformed(token)]
    found = await accepted(fuzz_server, name, requests)

    assert not found, "\n".join(found[:20])


@every_list
async def test_tokens_of_other_calls_are_refused(fuzz_server: FuzzServer, module_world: World, name: str) -> None:
    request = list_request(name, module_world)
    others = [await token_of(fuzz_server, module_world, other) for other in LISTINGS if other != name]

    found = await accepted(fuzz_server, name, [with_changes(request, page_token=token) for token in others])

    assert not found, "\n".join(found)


@every_list
async def test_tokens_of_other_filters_are_refused(fuzz_server: FuzzServer, module_world: World, name: str) -> None:
    token = await token_of(fuzz_server, module_world, name)
    request = with_changes(list_request(name, module_world), page_token=token)

    others = other_filters(name, module_world)
    found = await accepted(fuzz_server, name, [with_changes(request, **{field: value}) for field, value in others])

    assert not found, "\n".join(found)


def other_filters(name: str, world: World) -> list[tuple[str, Any]]:
    """Return the filters that the request of the token does not use, each with a valid value."""
    ours = {"page_size", "page_token", LISTINGS[name].field}
    filters = [(field.name, value) for field, value in seed(name, world).ListFields() if field.name not in ours]
    assert filters
    return filters


@every_list
async def test_page_token_works_with_any_page_size(fuzz_server: FuzzServer, module_world: World, name: str) -> None:
    request = list_request(name, module_world)
    token = await token_of(fuzz_server, module_world, name)

    rest = await call_rpc(fuzz_server.channel, name, with_changes(request, page_size=500, page_token=token))

    everything = await call_rpc(fuzz_server.channel, name, with_changes(request, page_size=500))
    assert [row.id for row in rows_of(rest)] == [row.id for row in rows_of(everything)[1:]]


def test_every_list_is_tested() -> None:
    assert set(LISTINGS) == {method.name for method in LISTS}
