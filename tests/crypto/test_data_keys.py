from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import func, select

from stagely_rpc.crypto.envelope import Keyring, _DataKeyCache
from stagely_rpc.db.models import DataKey
from stagely_rpc.errors import DataLossError, FailedPreconditionError
from tests.support.crypto.keyrings import KEY, data_key_of, execute, make_location, make_team_id, opened, sealed
from tests.support.databases import reading, writing

if TYPE_CHECKING:
    from stagely_rpc.db.database import Database

OTHER_KEY = bytes(range(32))

KEY_OF_ANOTHER_TEAM = """
    wrapped_key = (
        SELECT 'v1.' || replace(CAST(data_keys.id AS text), '-', '') || right(other.wrapped_key, -35)
        FROM data_keys AS other WHERE other.team_id = :other
    )
"""
"""Replace the wrapped key by that of another team, under the own id."""


async def test_unknown_data_key_is_data_loss(db: Database, keyring: Keyring, team_id: uuid.UUID) -> None:
    location = make_location()
    stored = await sealed(db, keyring, b"x", team_id, location)
    async with db.system_transaction() as session:
        await execute(session, "DELETE FROM data_keys WHERE team_id = :team_id", team_id=team_id)

    with pytest.raises(DataLossError) as lost:
        await opened(db, Keyring(KEY), stored, location)

    assert lost.value.reason == "DATA_KEY_UNKNOWN"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("wrapped_key = overlay(wrapped_key placing 'AAAA' from 40)", "DATA_KEY_INVALID"),
        ("wrapped_key = left(wrapped_key, -4)", "DATA_KEY_INVALID"),
        ("wrapped_key = ''", "DATA_KEY_INVALID"),
        ("wrapped_key = (SELECT wrapped_key FROM data_keys WHERE team_id = :other)", "DATA_KEY_INVALID"),
        (KEY_OF_ANOTHER_TEAM, "DATA_KEY_INVALID"),
        ("key_encryption_key_id = '0000000000000000'", "KEY_ENCRYPTION_KEY_UNKNOWN"),
    ],
)
async def test_changed_data_key_is_data_loss(own_db: Database, keyring: Keyring, change: str, reason: str) -> None:
    # Uses its own database: a server does not start if another key-encryption key wraps a data key.
    db, location = own_db, make_location()
    team_id, other = await make_team_id(db), await make_team_id(db)
    await sealed(db, keyring, b"x", other, make_location())
    stored = await sealed(db, keyring, b"x", team_id, location)
    async with db.system_transaction() as session:
        await execute(session, f"UPDATE data_keys SET {change} WHERE team_id = :team", team=team_id, other=other)  # noqa: S608

    with pytest.raises(DataLossError) as unread:
        await opened(db, Keyring(KEY), stored, location)
    with pytest.raises(DataLossError) as unwritten:
        await sealed(db, Keyring(KEY), b"x", team_id, location)

    assert unread.value.reason == unwritten.value.reason == reason


async def test_data_key_moved_to_another_team_is_data_loss(db: Database, keyring: Keyring, team_id: uuid.UUID) -> None:
    location = make_location()
    stored = await sealed(db, keyring, b"x", team_id, location)
    async with db.system_transaction() as session:
        thief = await make_team_id(db)
        await execute(session, "UPDATE data_keys SET team_id = :thief WHERE team_id = :team", thief=thief, team=team_id)

    with pytest.raises(DataLossError) as lost:
        await opened(db, Keyring(KEY), stored, location)

    assert lost.value.reason == "DATA_KEY_INVALID"


async def test_another_key_encryption_key_opens_no_value(db: Database, keyring: Keyring, team_id: uuid.UUID) -> None:
    location = make_location()
    stored = await sealed(db, keyring, b"x", team_id, location)

    with pytest.raises(DataLossError) as lost:
        await opened(db, Keyring(OTHER_KEY), stored, location)

    assert lost.value.reason == "KEY_ENCRYPTION_KEY_UNKNOWN"


async def test_without_a_key_nothing_is_sealed_or_opened(db: Database, keyring: Keyring, team_id: uuid.UUID) -> None:
    location = make_location()
    stored = await sealed(db, keyring, b"x", team_id, location)

    with pytest.raises(FailedPreconditionError) as unwritten:
        await sealed(db, Keyring(None), b"x", team_id, location)
    with pytest.raises(FailedPreconditionError) as unread:
        await opened(db, Keyring(None), stored, location)

    assert unwritten.value.reason == unread.value.reason == "ENCRYPTION_KEY_MISSING"


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_key_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Keyring(bytes(size))


def test_keys_are_not_in_the_repr() -> None:
    keyring = Keyring(b"0123456789abcdef0123456789abcdef")

    assert "0123456789" not in repr(keyring) + str(keyring) + repr(keyring._root)


async def test_team_has_one_data_key(db: Database, keyring: Keyring, team_id: uuid.UUID) -> None:
    first = await sealed(db, keyring, b"x", team_id, make_location())
    second = await sealed(db, keyring, b"x", team_id, make_location())

    assert first.split(".")[1] == second.split(".")[1]


async def test_teams_do_not_share_a_data_key(db: Database, keyring: Keyring, team_id: uuid.UUID) -> None:
    one = await sealed(db, keyring, b"x", team_id, make_location())
    other = await sealed(db, keyring, b"x", await make_team_id(db), make_location())

    assert one.split(".")[1] != other.split(".")[1]


async def test_parallel_first_values_of_a_team_use_one_data_key(db: Database, team_id: uuid.UUID) -> None:
    locations = [make_location() for _ in range(20)]

    stored = await asyncio.gather(*(sealed(db, Keyring(KEY), b"x", team_id, location) for location in locations))

    assert len({text.split(".")[1] for text in stored}) == 1
    async with reading(db) as session:
        keys = select(func.count()).select_from(DataKey).where(DataKey.team_id == team_id)
        assert (await session.execute(keys)).scalar_one() == 1
    for text, location in zip(stored, locations, strict=True):
        assert await opened(db, Keyring(KEY), text, location) == b"x"


class _RollbackError(Exception):
    pass


async def test_data_key_of_a_rolled_back_transaction_is_not_used(
    db: Database, keyring: Keyring, team_id: uuid.UUID
) -> None:
    location = make_location()
    with suppress(_RollbackError):
        async with writing(db) as session:
            keyring.seal(await data_key_of(session, keyring, team_id), b"never stored", location=location)
            raise _RollbackError

    stored = await sealed(db, keyring, b"stored", team_id, location)

    assert await opened(db, Keyring(KEY), stored, location) == b"stored"


async def test_retired_data_key_opens_old_values_and_a_new_one_seals(
    db: Database, keyring: Keyring, team_id: uuid.UUID
) -> None:
    location = make_location()
    old = await sealed(db, keyring, b"old", team_id, location)
    async with db.system_transaction() as session:
        await execute(session, "UPDATE data_keys SET retired_at = now() WHERE team_id = :team", team=team_id)

    new = await sealed(db, keyring, b"new", team_id, location)

    assert old.split(".")[1] != new.split(".")[1]
    assert await opened(db, Keyring(KEY), old, location) == b"old"
    assert await opened(db, Keyring(KEY), new, location) == b"new"


async def test_check_accepts_own_data_keys_and_an_empty_table(own_db: Database, keyring: Keyring) -> None:
    async with reading(own_db) as session:
        await Keyring(None).check(session)
        await keyring.check(session)
    await sealed(own_db, keyring, b"x", await make_team_id(own_db), make_location())
    async with reading(own_db) as session:
        await Keyring(KEY).check(session)


@pytest.mark.parametrize("key", [OTHER_KEY, None])
async def test_check_refuses_data_keys_of_another_key_encryption_key(
    own_db: Database, keyring: Keyring, key: bytes | None
) -> None:
    await sealed(own_db, keyring, b"x", await make_team_id(own_db), make_location())

    async with reading(own_db) as session:
        key_id = (await session.execute(select(DataKey.key_encryption_key_id))).scalar_one()
        with pytest.raises(FailedPreconditionError) as refused:
            await Keyring(key).check(session)

    assert key_id in refused.value.message
    assert KEY.hex() not in refused.value.message
    assert "\n" not in refused.value.message


def test_cache_evicts_the_least_recently_used_key() -> None:
    cache, (first, second, third) = _DataKeyCache(2), (uuid.uuid4() for _ in range(3))
    key = AESGCM(KEY)
    cache.put(first, key)
    cache.put(second, key)
    cache.get(first)

    cache.put(third, key)

    assert [cache.get(data_key_id) is key for data_key_id in (first, second, third)] == [True, False, True]
