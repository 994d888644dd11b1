"""Inputs of IdService."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from stagely_rpc.fields import Input

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
"""The characters that a host name allows at any position."""

DEFAULT_LENGTH = 12

Length = Annotated[int, Field(ge=0, le=64)]


class NewId(Input):
    """Which id to generate."""

    length: Length = DEFAULT_LENGTH


class IdBatch(NewId):
    """Which distinct ids to generate, and how many."""

    count: Annotated[int, Field(ge=1, le=1000)]

    @field_validator("count")
    @classmethod
    def _check_that_enough_ids_exist(cls, count: int, given: ValidationInfo) -> int:
        # If the length is invalid, it is missing here, and pydantic reports it anyway.
        length = given.data.get("length", DEFAULT_LENGTH)
        possible = len(ALPHABET) ** length
        if count > possible:
            raise ValueError(f"must be at most {possible}, the number of ids of length {length}")
        return count
