"""The rules of short random ids."""

from __future__ import annotations

import asyncio

import nanoid

from stagely_rpc.ids.inputs import ALPHABET, DEFAULT_LENGTH, IdBatch

_LARGE_BATCH = 100


def new_id(length: int = DEFAULT_LENGTH) -> str:
    """Return a random id from the operating system's source of randomness; the empty text for length 0.

    Args:
        length: how many characters, 0 or more. Of 12 characters there are 36^12 ids: no two of a million are equal but
            for one chance in ten million.
    """
    # nanoid itself never returns when it is asked for no characters.
    return nanoid.generate(ALPHABET, length) if length else ""


async def new_ids(wanted: IdBatch) -> list[str]:
    """Return distinct random ids."""
    if wanted.count < _LARGE_BATCH:
        return _distinct_ids(wanted)
    # A thousand ids take some 20 ms: too long for other calls to wait.
    return await asyncio.to_thread(_distinct_ids, wanted)


def _distinct_ids(wanted: IdBatch) -> list[str]:
    ids: dict[str, None] = {}
    while len(ids) < wanted.count:
        ids[new_id(wanted.length)] = None
    return list(ids)
