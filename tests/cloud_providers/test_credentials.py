from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct, Value
from grpc import StatusCode

from stagely.v1 import cloud_provider_pb2, cloud_provider_pb2_grpc, team_pb2
from stagely_rpc.cloud_providers.inputs import NewProvider
from stagely_rpc.wire.values import to_struct
from tests.support.cloud_providers import HETZNER, TOKEN, access_credentials, make_provider, update
from tests.support.refusals import refused
from tests.support.rpc import connected, running_server
from tests.support.secret_markers import marked_secret
from tests.support.teams import make_team

if TYPE_CHECKING:
    from stagely.v1.cloud_provider_pb2_grpc import CloudProviderServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub

OTHER_TOKEN = marked_secret("other token")


@pytest.mark.parametrize(
    "credentials",
    [
        {"token": TOKEN},
        {"": ""},
        {"ключ": "пароль 🔑", "nested": {"list": [1, -2.5, 1e300, None, True, {}, []]}},
        {"private_key": '-----BEGIN KEY-----\nMII\n"\\\u2028-----END KEY-----\n'},
        {"a": "x" * (65_536 - len('{"a":""}'))},
    ],
)
async def test_credentials_are_returned_unchanged(
    cloud_providers: CloudProviderServiceAsyncStub, team: team_pb2.Team, credentials: dict[str, Any]
) -> None:
    provider = await make_provider(cloud_providers, team, credentials=credentials)

    assert await access_credentials(cloud_providers, provider) == credentials


async def test_other_responses_do_not_contain_credentials(
    cloud_providers: CloudProviderServiceAsyncStub, team: team_pb2.Team
) -> None:
    new = cloud_provider_pb2.CreateCloudProviderRequest(
        team_id=team.id, name="Hetzner", provider_type=HETZNER, credentials=to_struct({"token": TOKEN})
    )
    created = await cloud_providers.CreateCloudProvider(new)
    provider_id = created.cloud_provider.id
    answers = [
        created,
        await cloud_providers.GetCloudProvider(cloud_provider_pb2.GetCloudProviderRequest(id=provider_id)),
        await cloud_providers.ListCloudProviders(cloud_provider_pb2.ListCloudProvidersRequest(team_id=team.id)),
        await cloud_providers.UpdateCloudProvider(
            cloud_provider_pb2.UpdateCloudProviderRequest(id=provider_id, credentials=to_struct({"token": TOKEN}))
        ),
        await cloud_providers.RecordCloudProviderValidation(
            cloud_provider_pb2.RecordCloudProviderValidationRequest(id=provider_id, validation_error="expired")
        ),
    ]

    for answer in answers:
        assert TOKEN.encode() not in answer.SerializeToString()
        assert b"token" not in answer.SerializeToString()


async def test_new_credentials_replace_the_old_and_clear_the_validation(
    cloud_providers: CloudProviderServiceAsyncStub, provider: cloud_provider_pb2.CloudProvider
) -> None:
    for error in (None, "expired"):
        await cloud_providers.RecordCloudProviderValidation(
            cloud_provider_pb2.RecordCloudProviderValidationRequest(id=provider.id, validation_error=error)
        )

    updated = await update(cloud_providers, provider, credentials={"key": OTHER_TOKEN})

    assert await access_credentials(cloud_providers, provider) == {"key": OTHER_TOKEN}
    assert not updated.HasField("last_validated_at")
    assert not updated.HasField("validation_error")


@pytest.mark.parametrize("mask", [["credentials"], ["name", "credentials"], ["*"]])
async def test_credentials_cannot_be_cleared(
    cloud_providers: CloudProviderServiceAsyncStub, provider: cloud_provider_pb2.CloudProvider, mask: list[str]
) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, field="credentials"):
        await update(cloud_providers, provider, update_mask=FieldMask(paths=mask), name="Other")

    assert await access_credentials(cloud_providers, provider) == {"token": TOKEN}


@pytest.mark.parametrize(
    "credentials",
    [
        None,
        {},
        {"a": "x" * (65_537 - len('{"a":""}'))},
        {TOKEN: float("nan")},
        {TOKEN: "\0"},
        Struct(fields={TOKEN: Value()}),
    ],
)
async def test_invalid_credentials_are_refused_and_not_repeated(
    cloud_providers: CloudProviderServiceAsyncStub,
    team: team_pb2.Team,
    provider: cloud_provider_pb2.CloudProvider,
    credentials: Any,
) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, field="credentials") as refusal:
        await make_provider(cloud_providers, team, credentials=credentials)
    assert TOKEN not in refusal.message

    if credentials is not None:
        with refused(StatusCode.INVALID_ARGUMENT, field="credentials"):
            await update(cloud_providers, provider, credentials=credentials)
    assert await access_credentials(cloud_providers, provider) == {"token": TOKEN}


async def test_credentials_of_a_deactivated_provider_of_a_deleted_team_are_readable(
    cloud_providers: CloudProviderServiceAsyncStub,
    teams: TeamServiceAsyncStub,
    team: team_pb2.Team,
    provider: cloud_provider_pb2.CloudProvider,
) -> None:
    await update(cloud_providers, provider, is_active=False)
    await teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=team.id))

    assert await access_credentials(cloud_providers, provider) == {"token": TOKEN}


async def test_another_server_with_the_same_key_decrypts_credentials(
    database_url: str, provider: cloud_provider_pb2.CloudProvider
) -> None:
    async with running_server(database_url) as other, connected(other) as channel:
        stub = cloud_provider_pb2_grpc.CloudProviderServiceStub(channel)

        assert await access_credentials(stub, provider) == {"token": TOKEN}


async def test_creation_without_an_encryption_key_is_refused(
    fresh_database_url: str,
) -> None:
    from stagely.v1 import team_pb2_grpc

    async with running_server(fresh_database_url, encryption_key=None) as keyless, connected(keyless) as channel:
        stub = cloud_provider_pb2_grpc.CloudProviderServiceStub(channel)
        team = await make_team(team_pb2_grpc.TeamServiceStub(channel))

        with refused(StatusCode.FAILED_PRECONDITION, reason="ENCRYPTION_KEY_MISSING"):
            await make_provider(stub, team)


async def test_unknown_provider_is_not_found(cloud_providers: CloudProviderServiceAsyncStub) -> None:
    with refused(StatusCode.NOT_FOUND):
        await access_credentials(cloud_providers, cloud_provider_pb2.CloudProvider(id=str(uuid.uuid4())))


@pytest.mark.parametrize("value", ["", "42"])
async def test_malformed_id_is_refused(cloud_providers: CloudProviderServiceAsyncStub, value: str) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, field="id"):
        await access_credentials(cloud_providers, cloud_provider_pb2.CloudProvider(id=value))


def test_text_of_an_input_does_not_contain_credentials() -> None:
    new = NewProvider(team_id=uuid.uuid4(), name="Hetzner", provider_type="hetzner", credentials={"token": TOKEN})

    assert TOKEN not in repr(new)
    assert TOKEN not in str(new)
