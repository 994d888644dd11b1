"""The rules of short random ids."""

from __future__ import annotations

import asyncio

import nanoid

from stagely_rpc.ids.inputs import ALPHABET, DEFAULT_LENGTH, IdBatch

_LARGE_BATCH = 100


def new_id(length: int = DEFAULT_LENGTH) -> str:
    """Return a random id from the operating system's source of randomness. Length 0 gives the empty string.

    Args:
        length: the number of characters, 0 or more. There are 36^12 ids of 12 characters: the probability that two of a
            million ids are equal is about one in ten million.
    """
    # With length 0, `nanoid.generate` loops forever.
    return nanoid.generate(ALPHABET, length) if length else ""


async def new_ids(wanted: IdBatch) -> list[str]:
    """Return distinct random ids."""
    if wanted.count < _LARGE_BATCH:
        return _distinct_ids(wanted)
    # A thousand ids take about 20 ms, which would block the event loop for too long.
    return await asyncio.to_thread(_distinct_ids, wanted)


def _distinct_ids(wanted: IdBatch) -> list[str]:
    ids: dict[str, None] = {}
    while len(ids) < wanted.count:
        ids[new_id(wanted.length)] = None
    return list(ids)
