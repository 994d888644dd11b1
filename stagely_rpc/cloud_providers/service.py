"""The rules of cloud providers and their credentials."""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from stagely_rpc import access
from stagely_rpc.access import ResourceRef
from stagely_rpc.cloud_providers import queries
from stagely_rpc.crypto.envelope import StorageLocation
from stagely_rpc.db.models import CloudProvider, Team
from stagely_rpc.db.models.rows import CloudProviderRow, CloudProviderSummary, DataKeyRow
from stagely_rpc.errors import AlreadyExistsError, FailedPreconditionError, NotFoundError

if TYPE_CHECKING:
    from stagely_rpc.cloud_providers.inputs import (
        NewProvider,
        ProviderChanges,
        ProviderDeletion,
        ProviderFilter,
        ProviderKey,
        Validation,
    )
    from stagely_rpc.crypto.envelope import Keyring
    from stagely_rpc.db.paging import Found, Page
    from stagely_rpc.db.session import ReadSession, Session
    from stagely_rpc.db.sql.statement import Query
    from stagely_rpc.db.write_session import WriteSession
    from stagely_rpc.fields import Target


async def create_cloud_provider(session: WriteSession, keyring: Keyring, new: NewProvider) -> CloudProviderRow:
    """Add a cloud provider to a team.

    Raises:
        NotFoundError: there is no such team.
        FailedPreconditionError: the team is deleted, or the server has no encryption key.
        DataLossError: the team's data key can't be decrypted.
        AlreadyExistsError: the name is taken in the team.
    """
    ref = ResourceRef(Team, new.team_id)
    team, data_key = await access.lock_team(session, ref, NotFoundError("Team", new.team_id), keyring.active(ref))
    provider_id = uuid.uuid4()
    values = {
        **new.model_dump(exclude={"credentials"}),
        "id": provider_id,
        "encrypted_credentials": await _encrypt(session, keyring, data_key, new.credentials, team.id, provider_id),
    }
    provider = session.insert(CloudProviderRow, values, {"unique_provider_name": partial(_name_taken, new.name)})
    session.record(None, provider)
    return provider


async def get_cloud_provider(session: Session, key: ProviderKey) -> CloudProviderSummary:
    """Return a cloud provider, active or not.

    Raises:
        NotFoundError: there is no such cloud provider.
    """
    if key.team_name is None:
        provider = await session.read(queries.PROVIDER_BY_ID, key.id)
    else:
        provider = await session.read(queries.PROVIDER_BY_NAME, key.team_name.team_id, key.team_name.name)
    if provider is None:
        raise _not_found(key)
    await access.require_team(session, provider.team_id, _not_found(key))
    return provider


def by_id(provider_id: uuid.UUID) -> Query[CloudProviderSummary | None]:
    """Return the query for a cloud provider. Pass its result to `require_in_team`."""
    return queries.get_cloud_provider(provider_id)


def require_in_team(
    provider: CloudProviderSummary | None, provider_id: uuid.UUID, team_id: uuid.UUID
) -> CloudProviderSummary:
    """Return a cloud provider of a team, active or not.

    Raises:
        NotFoundError: the team has no such cloud provider.
    """
    if provider is None or provider.team_id != team_id:
        raise NotFoundError("CloudProvider", provider_id)
    return provider


async def list_cloud_providers(session: Session, wanted: ProviderFilter, page: Page) -> Found[CloudProviderSummary]:
    """Return a page of cloud providers."""
    return await queries.list_cloud_providers(session, wanted, page, access.visible(session, CloudProvider.team_id))


async def update_cloud_provider(
    session: WriteSession, keyring: Keyring, target: Target, changes: ProviderChanges
) -> CloudProviderRow:
    """Change a cloud provider.

    Raises:
        NotFoundError: there is no such cloud provider.
        FailedPreconditionError: its team is deleted, or the server has no encryption key.
        DataLossError: the team's data key can't be decrypted.
        AlreadyExistsError: the name is taken in the team.
        AbortedError: the etag is stale.
    """
    values = changes.model_dump(exclude_unset=True)
    credentials = values.pop("credentials", None)
    ref, lock = ResourceRef(CloudProvider, target.id), queries.lock_cloud_provider(target.id)
    keys = [keyring.active(ref)] if credentials else []
    before, *data_keys = await access.lock_resource(session, ref, target, lock, *keys)
    if credentials:
        ciphertext = await _encrypt(session, keyring, data_keys[0], credentials, before.team_id, before.id)
        values |= {"encrypted_credentials": ciphertext, "last_validated_at": None, "validation_error": None}
    name_taken = partial(_name_taken, str(values.get("name")))
    provider = session.update(before, values, {"unique_provider_name": name_taken})
    session.record(before, provider)
    return provider


async def delete_cloud_provider(session: WriteSession, deletion: ProviderDeletion) -> None:
    """Delete a cloud provider with its credentials.

    Raises:
        NotFoundError: there is no such cloud provider.
        FailedPreconditionError: projects use it and the deletion is not forced, or its team is deleted.
        AbortedError: the etag is stale.
    """
    ref, lock = ResourceRef(CloudProvider, deletion.id), queries.lock_cloud_provider(deletion.id, to_delete=True)
    count = queries.count_projects(deletion.id)
    provider, projects = await access.lock_resource(session, ref, deletion, lock, count)
    if projects and not deletion.force:
        message = f"cloud provider {provider.name!r} is used by {projects} projects: change them first, or force"
        raise FailedPreconditionError(message, subject=f"CloudProvider {provider.id}", reason="CLOUD_PROVIDER_IN_USE")
    session.delete(provider)
    session.record(provider, None)


async def access_credentials(
    session: ReadSession, keyring: Keyring, provider_id: uuid.UUID
) -> tuple[CloudProviderRow, dict[str, Any]]:
    """Return a cloud provider, active or not, and its credentials.

    Raises:
        NotFoundError: there is no such cloud provider.
        FailedPreconditionError: the server has no encryption key.
        DataLossError: the credentials can't be decrypted.
    """
    provider = await session.read(queries.CREDENTIALS, provider_id)
    if provider is None:
        raise NotFoundError("CloudProvider", provider_id)
    await access.require_team(session, provider.team_id, NotFoundError("CloudProvider", provider_id))
    plaintext = await keyring.open(session, provider.encrypted_credentials, location=_location(provider.id))
    await session.append(provider.id, None, {"name": provider.name, "version": provider.row_version})
    return provider, orjson.loads(plaintext)


async def record_validation(session: WriteSession, validation: Validation) -> CloudProviderRow:
    """Record whether the credentials of a cloud provider work.

    Raises:
        NotFoundError: there is no such cloud provider.
        FailedPreconditionError: its team is deleted.
        AbortedError: the etag is stale.
    """
    ref, lock = ResourceRef(CloudProvider, validation.id), queries.lock_cloud_provider(validation.id)
    (before,) = await access.lock_resource(session, ref, validation, lock)
    values: dict[str, Any] = {"validation_error": validation.validation_error}
    if validation.validation_error is None:
        values["last_validated_at"] = session.now
    provider = session.update(before, values)
    session.record(before, provider)
    return provider


async def _encrypt(
    session: WriteSession,
    keyring: Keyring,
    data_key: DataKeyRow | None,
    credentials: dict[str, Any],
    team_id: uuid.UUID,
    provider_id: uuid.UUID,
) -> str:
    data_key = data_key or await keyring.make_active(session, team_id)
    return keyring.seal(data_key, orjson.dumps(credentials), location=_location(provider_id))


def _location(provider_id: uuid.UUID) -> StorageLocation:
    return StorageLocation(table="cloud_providers", column="encrypted_credentials", row_id=provider_id)


def _not_found(key: ProviderKey) -> NotFoundError:
    return NotFoundError("CloudProvider", key.team_name.name if key.team_name else key.id)


def _name_taken(name: str) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"cloud provider name {name!r} is taken in the team",
        resource_type="CloudProvider",
        resource_name=name,
        reason="CLOUD_PROVIDER_NAME_TAKEN",
    )
