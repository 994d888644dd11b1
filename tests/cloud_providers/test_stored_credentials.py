from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode

from stagely.v1 import cloud_provider_pb2, team_pb2
from tests.support.cloud_providers import TOKEN, access_credentials, make_provider, update
from tests.support.refusals import refused
from tests.support.secret_markers import marked_secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stagely.v1.cloud_provider_pb2_grpc import CloudProviderServiceAsyncStub

OTHER_TOKEN = marked_secret("other token")
PLAINTEXT = '{"token": "in the clear"}'


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """A direct connection to the database."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        yield connection


async def fetch_ciphertext(database: psycopg.AsyncConnection, provider: cloud_provider_pb2.CloudProvider) -> str:
    cursor = await database.execute("SELECT encrypted_credentials FROM cloud_providers WHERE id = %s", [provider.id])
    row = await cursor.fetchone()
    assert row
    return str(row[0])


async def overwrite_ciphertext(
    database: psycopg.AsyncConnection, provider: cloud_provider_pb2.CloudProvider, stored: str
) -> None:
    await database.execute("UPDATE cloud_providers SET encrypted_credentials = %s WHERE id = %s", [stored, provider.id])


async def test_row_contains_no_plaintext_credentials(
    database: psycopg.AsyncConnection,
    cloud_providers: CloudProviderServiceAsyncStub,
    provider: cloud_provider_pb2.CloudProvider,
) -> None:
    await update(cloud_providers, provider, credentials={"token": OTHER_TOKEN})

    cursor = await database.execute("SELECT p::text FROM cloud_providers p WHERE id = %s", [provider.id])
    row = await cursor.fetchone()

    assert row
    assert provider.name in row[0]
    assert TOKEN not in row[0]
    assert OTHER_TOKEN not in row[0]
    assert "token" not in row[0]


async def test_same_credentials_get_another_ciphertext(
    database: psycopg.AsyncConnection,
    cloud_providers: CloudProviderServiceAsyncStub,
    provider: cloud_provider_pb2.CloudProvider,
) -> None:
    before = await fetch_ciphertext(database, provider)
    await update(cloud_providers, provider, credentials={"token": TOKEN})

    assert await fetch_ciphertext(database, provider) != before


async def test_other_changes_keep_credentials_and_validation(
    database: psycopg.AsyncConnection,
    cloud_providers: CloudProviderServiceAsyncStub,
    provider: cloud_provider_pb2.CloudProvider,
) -> None:
    validated = await cloud_providers.RecordCloudProviderValidation(
        cloud_provider_pb2.RecordCloudProviderValidationRequest(id=provider.id)
    )
    before = await fetch_ciphertext(database, provider)

    updated = await update(
        cloud_providers, provider, update_mask=FieldMask(paths=["name"]), name="Other", credentials={"a": OTHER_TOKEN}
    )

    assert updated.last_validated_at == validated.cloud_provider.last_validated_at
    assert await fetch_ciphertext(database, provider) == before


async def test_credentials_of_another_row_do_not_decrypt(
    database: psycopg.AsyncConnection,
    cloud_providers: CloudProviderServiceAsyncStub,
    team: team_pb2.Team,
    provider: cloud_provider_pb2.CloudProvider,
) -> None:
    other = await make_provider(cloud_providers, team, credentials={"token": OTHER_TOKEN})
    await overwrite_ciphertext(database, provider, await fetch_ciphertext(database, other))

    with refused(StatusCode.DATA_LOSS, reason="CIPHERTEXT_INVALID") as refusal:
        await access_credentials(cloud_providers, provider)

    assert OTHER_TOKEN not in str(refusal)
    assert await access_credentials(cloud_providers, other) == {"token": OTHER_TOKEN}


@pytest.mark.parametrize("change", ["truncated", "flipped", "plain", "empty"])
async def test_corrupt_ciphertext_is_data_loss_and_can_be_replaced(
    database: psycopg.AsyncConnection,
    cloud_providers: CloudProviderServiceAsyncStub,
    team: team_pb2.Team,
    provider: cloud_provider_pb2.CloudProvider,
    change: str,
) -> None:
    stored = await fetch_ciphertext(database, provider)
    middle = len(stored) - 20
    changed = {
        "truncated": stored[:-8],
        "flipped": stored[:middle] + ("A" if stored[middle] != "A" else "B") + stored[middle + 1 :],
        "plain": PLAINTEXT,
        "empty": "",
    }
    await overwrite_ciphertext(database, provider, changed[change])

    with refused(StatusCode.DATA_LOSS) as refusal:
        await access_credentials(cloud_providers, provider)
    assert "in the clear" not in str(refusal)

    found = await cloud_providers.ListCloudProviders(cloud_provider_pb2.ListCloudProvidersRequest(team_id=team.id))
    assert [listed.id for listed in found.cloud_providers] == [provider.id]
    await update(cloud_providers, provider, credentials={"token": OTHER_TOKEN})
    assert await access_credentials(cloud_providers, provider) == {"token": OTHER_TOKEN}
