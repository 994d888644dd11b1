from __future__ import annotations

import base64
import random
import string
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from stagely_rpc.crypto.envelope import Keyring, StorageLocation
from stagely_rpc.crypto.queries import DATA_KEY
from stagely_rpc.db.models import DataKey
from stagely_rpc.errors import DataLossError
from tests.support.crypto.independent import open_independently
from tests.support.crypto.keyrings import KEY, execute, make_location, make_team_id, opened, sealed
from tests.support.databases import reading

if TYPE_CHECKING:
    from stagely_rpc.db.database import Database

BASE64_DIGITS = string.ascii_letters + string.digits + "+/"

KEY_OF_THE_FIRST_RELEASE = bytes.fromhex("5f" * 32)
STORED_BY_THE_FIRST_RELEASE: dict[str, Any] = {
    "team_id": uuid.UUID("7b0e6a51-6a35-4a4b-9d0e-2f7a3c9d1e00"),
    "row_id": uuid.UUID("c6a3f5de-0f43-4c9a-8a52-94f0b1f5e777"),
    "data_key_id": uuid.UUID("3fd5c5b7-5f0c-4f6c-b1b0-6a1f3a7c2d10"),
    "key_encryption_key_id": "bbb4934d9a556191",
    "wrapped_key": (
        "v1.3fd5c5b75f0c4f6cb1b06a1f3a7c2d10."
        "X2mMOgeCLpck32yzrR9NoSiUOBfENTxFQcBr8PDGbnSgaAkikVidNn2FiqzDc07b+w3b7/ZCimYn+7FT"
    ),
    "value": "v1.3fd5c5b75f0c4f6cb1b06a1f3a7c2d10.kbRUpmjIqy8nzgoaODypX1797q3UE0sYXYStET2ivtiFu7K2Hg==",
}


@pytest.fixture(scope="module")
async def one_value(db: Database) -> tuple[Keyring, str, StorageLocation]:
    """A keyring whose cache has the data key, a stored value, and its location."""
    keyring, location = Keyring(KEY), make_location()
    return keyring, await sealed(db, keyring, b"correct horse", await make_team_id(db), location), location


async def test_sealed_value_opens(db: Database, keyring: Keyring, team_id: uuid.UUID) -> None:
    location = make_location()

    stored = await sealed(db, keyring, b"hunter2", team_id, location)

    assert await opened(db, keyring, stored, location) == b"hunter2"
    assert b"hunter2" not in base64.b64decode(stored.rpartition(".")[2])


async def test_sealed_value_opens_in_another_process_with_the_same_key(
    db: Database, keyring: Keyring, team_id: uuid.UUID
) -> None:
    location = make_location()

    stored = await sealed(db, keyring, b"hunter2", team_id, location)

    assert await opened(db, Keyring(KEY), stored, location) == b"hunter2"


@given(size=st.integers(0, 64 * 1024) | st.sampled_from([0, 1, 15, 16, 17, 65536]), seed=st.integers())
@settings(max_examples=60, deadline=None)
async def test_any_bytes_round_trip(
    db: Database, one_value: tuple[Keyring, str, StorageLocation], size: int, seed: int
) -> None:
    keyring, stored, location = one_value
    data_key_id = uuid.UUID(hex=stored.split(".")[1])
    plaintext = random.Random(seed).randbytes(size)  # noqa: S311
    async with reading(db) as session:
        data_key = await session.read(DATA_KEY, data_key_id)
        assert data_key
        again = keyring.seal(data_key, plaintext, location=location)

        assert await keyring.open(session, again, location=location) == plaintext


async def test_each_sealing_of_a_value_differs(db: Database, keyring: Keyring, team_id: uuid.UUID) -> None:
    location = make_location()

    assert len({await sealed(db, keyring, b"same", team_id, location) for _ in range(20)}) == 20


async def test_any_flipped_bit_is_data_loss(db: Database, one_value: tuple[Keyring, str, StorageLocation]) -> None:
    keyring, stored, location = one_value
    async with reading(db) as session:
        for bit in range(len(stored) * 8):
            changed = bytearray(stored.encode())
            changed[bit // 8] ^= 1 << bit % 8
            with pytest.raises(DataLossError):
                await keyring.open(session, changed.decode("latin-1"), location=location)


async def test_any_truncation_is_data_loss(db: Database, one_value: tuple[Keyring, str, StorageLocation]) -> None:
    keyring, stored, location = one_value
    async with reading(db) as session:
        for length in range(len(stored)):
            with pytest.raises(DataLossError):
                await keyring.open(session, stored[:length], location=location)


@pytest.mark.parametrize("length", [0, 1, 2])
async def test_other_base64_of_the_same_bytes_is_data_loss(
    db: Database, keyring: Keyring, team_id: uuid.UUID, length: int
) -> None:
    location = make_location()
    stored = await sealed(db, keyring, bytes(length), team_id, location)
    digits = stored.rstrip("=")
    async with reading(db) as session:
        for last in set(BASE64_DIGITS) - {digits[-1]}:
            with pytest.raises(DataLossError):
                await keyring.open(session, digits[:-1] + last + stored[len(digits) :], location=location)


@pytest.mark.parametrize("suffix", ["=", "\n", " ", "A", "AAAA", ".", ".AAAA"])
async def test_appended_text_is_data_loss(
    db: Database, one_value: tuple[Keyring, str, StorageLocation], suffix: str
) -> None:
    keyring, stored, location = one_value

    with pytest.raises(DataLossError):
        await opened(db, keyring, stored + suffix, location)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "v1",
        "v1..",
        "plaintext",
        f"v1.{uuid.UUID(int=7).hex}.",
        f"v1.{uuid.UUID(int=7).hex}.AAAA",
        f"v1.{uuid.UUID(int=7)}.AAAA",
        f"v1.{uuid.UUID(int=7).hex}.A",
        f"v1.{uuid.UUID(int=7).hex}.A===",
    ],
)
async def test_malformed_envelope_is_data_loss(db: Database, keyring: Keyring, stored: str) -> None:
    with pytest.raises(DataLossError):
        await opened(db, keyring, stored, make_location())


async def test_another_version_is_data_loss(db: Database, one_value: tuple[Keyring, str, StorageLocation]) -> None:
    keyring, stored, location = one_value

    with pytest.raises(DataLossError):
        await opened(db, keyring, stored.replace("v1.", "v2.", 1), location)


@given(seed=st.integers(), bit=st.integers(min_value=0))
@settings(max_examples=100, deadline=None)
async def test_flipped_bit_of_a_long_value_is_data_loss(
    db: Database, long_value: tuple[Keyring, str, StorageLocation], seed: int, bit: int
) -> None:
    keyring, stored, location = long_value
    changed = bytearray(stored.encode())
    position = random.Random(seed + bit).randrange(len(changed))  # noqa: S311
    changed[position] ^= 1 << bit % 8

    with pytest.raises(DataLossError):
        await opened(db, keyring, changed.decode("latin-1"), location)


@pytest.fixture(scope="module")
async def long_value(db: Database) -> tuple[Keyring, str, StorageLocation]:
    keyring, location = Keyring(KEY), make_location()
    plaintext = random.Random(1).randbytes(64 * 1024)  # noqa: S311
    return keyring, await sealed(db, keyring, plaintext, await make_team_id(db), location), location


@pytest.mark.parametrize(
    "moved",
    [
        {"table": "cloud_providers"},
        {"column": "other_value"},
        {"row_id": uuid.UUID(int=7)},
        {"table": "secret", "column": "sencrypted_value"},
        {"table": "secretsencrypted", "column": "_value"},
    ],
)
async def test_value_does_not_open_at_another_location(
    db: Database, one_value: tuple[Keyring, str, StorageLocation], moved: dict[str, Any]
) -> None:
    keyring, stored, location = one_value

    with pytest.raises(DataLossError) as lost:
        await opened(db, keyring, stored, location._replace(**moved))

    assert lost.value.reason == "CIPHERTEXT_INVALID"
    assert stored not in lost.value.message


async def test_value_does_not_open_under_another_data_key(
    db: Database, keyring: Keyring, one_value: tuple[Keyring, str, StorageLocation], team_id: uuid.UUID
) -> None:
    _, stored, location = one_value
    other = await sealed(db, keyring, b"", team_id, make_location())
    _, other_id, _ = other.split(".")
    version, _, ciphertext = stored.split(".")

    with pytest.raises(DataLossError):
        await opened(db, keyring, f"{version}.{other_id}.{ciphertext}", location)


async def test_stored_form_matches_its_description(db: Database, keyring: Keyring, team_id: uuid.UUID) -> None:
    location = make_location()
    stored = await sealed(db, keyring, b"hunter2", team_id, location)
    async with reading(db) as session:
        row = (await session.execute(select(DataKey).where(DataKey.team_id == team_id))).scalar_one()

    assert open_independently(KEY, row, stored, location) == b"hunter2"


async def test_value_stored_by_the_first_release_opens(own_db: Database) -> None:
    stored = STORED_BY_THE_FIRST_RELEASE
    async with own_db.system_transaction() as session:
        await execute(session, "INSERT INTO teams (id, slug, name) VALUES (:team_id, 'web', 'Web')", **stored)
        await execute(
            session,
            "INSERT INTO data_keys (id, team_id, key_encryption_key_id, wrapped_key)"
            " VALUES (:data_key_id, :team_id, :key_encryption_key_id, :wrapped_key)",
            **stored,
        )

    location = StorageLocation("secrets", "encrypted_value", stored["row_id"])

    assert await opened(own_db, Keyring(KEY_OF_THE_FIRST_RELEASE), stored["value"], location) == b"s3cret \x00\xff"
