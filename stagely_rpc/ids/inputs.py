"""What callers send about ids."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from stagely_rpc.fields import Input

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
"""What a host name may have at any place."""

DEFAULT_LENGTH = 12

Length = Annotated[int, Field(ge=0, le=64)]


class NewId(Input):
    """What an id is to be like."""

    length: Length = DEFAULT_LENGTH


class IdBatch(NewId):
    """What distinct ids are to be like, and how many."""

    count: Annotated[int, Field(ge=1, le=1000)]

    @field_validator("count")
    @classmethod
    def _as_many_as_there_are(cls, count: int, given: ValidationInfo) -> int:
        # Without a length, the length is what is wrong.
        length = given.data.get("length", DEFAULT_LENGTH)
        there_are = len(ALPHABET) ** length
        if count > there_are:
            raise ValueError(f"must be at most {there_are}: there are no more ids of length {length}")
        return count
