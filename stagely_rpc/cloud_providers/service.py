"""The rules of cloud providers and their credentials."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import orjson

from stagely_rpc import access
from stagely_rpc.cloud_providers import queries
from stagely_rpc.cloud_providers.inputs import ProviderKey
from stagely_rpc.crypto.envelope import Place
from stagely_rpc.db.errors import constraint
from stagely_rpc.db.etag import check_etag
from stagely_rpc.db.models import CloudProvider
from stagely_rpc.db.session import state
from stagely_rpc.errors import AlreadyExistsError, FailedPreconditionError, NotFoundError
from stagely_rpc.teams import service as teams

if TYPE_CHECKING:
    from stagely_rpc.cloud_providers.inputs import (
        NewProvider,
        ProviderChanges,
        ProviderDeletion,
        ProviderFilter,
        Validation,
    )
    from stagely_rpc.crypto.envelope import Keyring
    from stagely_rpc.db.paging import Found, Page
    from stagely_rpc.db.session import Session, WriteSession
    from stagely_rpc.inputs import Target


async def create_cloud_provider(session: WriteSession, keyring: Keyring, new: NewProvider) -> CloudProvider:
    """Add a cloud provider to a team.

    Raises:
        NotFoundError: there is no such team.
        FailedPreconditionError: the team is deleted, or there is no key to encrypt with.
        DataLossError: the team's data key can't be decrypted.
        AlreadyExistsError: the name is taken in the team.
    """
    await teams.hold_live_team(session, new.team_id)
    # The ciphertext is bound to the row's id: it can't be left to the database to choose.
    provider = CloudProvider(id=uuid.uuid4(), **new.model_dump(exclude={"credentials"}))
    provider.encrypted_credentials = await _sealed(session, keyring, provider, new.credentials)
    session.add(provider)
    with constraint("unique_provider_name", _name_taken(new.name)):
        await session.flush()
    session.record(provider)
    return provider


async def get_cloud_provider(session: Session, key: ProviderKey) -> CloudProvider:
    """Return a cloud provider, active or not.

    Raises:
        NotFoundError: there is none.
    """
    provider = await queries.get_cloud_provider(session, key)
    if provider is None:
        raise _not_found(key)
    await access.require_team(session, provider.team_id, _not_found(key))
    return provider


async def get_provider_of_team(session: Session, provider_id: uuid.UUID, team_id: uuid.UUID) -> CloudProvider:
    """Return a cloud provider of a team, active or not.

    Raises:
        NotFoundError: the team has no such one.
    """
    provider = await get_cloud_provider(session, ProviderKey(id=provider_id))
    if provider.team_id != team_id:
        raise NotFoundError("CloudProvider", provider_id)
    return provider


async def list_cloud_providers(session: Session, wanted: ProviderFilter, page: Page) -> Found[CloudProvider]:
    """Return a page of cloud providers."""
    return await queries.list_cloud_providers(session, wanted, page, access.visible(session, CloudProvider.team_id))


async def update_cloud_provider(
    session: WriteSession, keyring: Keyring, target: Target, changes: ProviderChanges
) -> CloudProvider:
    """Change a cloud provider.

    Raises:
        NotFoundError: there is none.
        FailedPreconditionError: its team is deleted, or there is no key to encrypt with.
        DataLossError: the team's data key can't be decrypted.
        AlreadyExistsError: the name is taken in the team.
        AbortedError: the etag is stale.
    """
    provider = await _lock_provider(session, target)
    before = state(provider)
    values = changes.model_dump(exclude_unset=True)
    if credentials := values.pop("credentials", None):
        provider.encrypted_credentials = await _sealed(session, keyring, provider, credentials)
        values |= {"last_validated_at": None, "validation_error": None}
    for name, value in values.items():
        setattr(provider, name, value)
    with constraint("unique_provider_name", _name_taken(str(values.get("name")))):
        await session.flush()
    session.record(provider, before=before)
    return provider


async def delete_cloud_provider(session: WriteSession, deletion: ProviderDeletion) -> None:
    """Delete a cloud provider with its credentials.

    Raises:
        NotFoundError: there is none.
        FailedPreconditionError: projects use it and the deletion is not forced, or its team is deleted.
        AbortedError: the etag is stale.
    """
    provider = await _lock_provider(session, deletion, to_delete=True)
    if not deletion.force and (projects := await queries.count_projects(session, provider.id)):
        message = f"cloud provider {provider.name!r} is used by {projects} projects: change them first, or force"
        raise FailedPreconditionError(message, subject=f"CloudProvider {provider.id}", reason="CLOUD_PROVIDER_IN_USE")
    before = state(provider)
    await session.delete(provider)
    await session.flush()
    session.record(provider, before=before)


async def access_credentials(
    session: WriteSession, keyring: Keyring, provider_id: uuid.UUID
) -> tuple[CloudProvider, dict[str, Any]]:
    """Return a cloud provider, active or not, and its credentials.

    Raises:
        NotFoundError: there is none.
        FailedPreconditionError: there is no key to decrypt with.
        DataLossError: the credentials don't decrypt.
    """
    provider = await queries.get_credentials(session, provider_id)
    if provider is None:
        raise NotFoundError("CloudProvider", provider_id)
    await access.require_team(session, provider.team_id, NotFoundError("CloudProvider", provider_id))
    session.record_entry(provider.id, None, {"name": provider.name, "version": provider.row_version})
    plaintext = await keyring.open(session, provider.encrypted_credentials, place=_place(provider))
    return provider, orjson.loads(plaintext)


async def record_validation(session: WriteSession, validation: Validation) -> CloudProvider:
    """Record whether the credentials of a cloud provider work.

    Raises:
        NotFoundError: there is no such cloud provider.
        FailedPreconditionError: its team is deleted.
        AbortedError: the etag is stale.
    """
    provider = await _lock_provider(session, validation)
    before = state(provider)
    if validation.validation_error is None:
        provider = await queries.mark_validated(session, provider)
    else:
        provider.validation_error = validation.validation_error
        await session.flush()
    session.record(provider, before=before)
    return provider


async def _lock_provider(
    session: WriteSession, target: Target | ProviderDeletion, *, to_delete: bool = False
) -> CloudProvider:
    """Return a cloud provider of a live team, with both held in this order."""
    provider = await get_cloud_provider(session, ProviderKey(id=target.id))
    await teams.hold_live_team(session, provider.team_id)
    locked = await queries.lock_cloud_provider(session, target.id, to_delete=to_delete)
    if locked is None:
        raise NotFoundError("CloudProvider", target.id)
    check_etag(locked, target.etag)
    return locked


async def _sealed(session: WriteSession, keyring: Keyring, provider: CloudProvider, credentials: dict[str, Any]) -> str:
    plaintext = orjson.dumps(credentials)
    return await keyring.seal(session, plaintext, team_id=provider.team_id, place=_place(provider))


def _place(provider: CloudProvider) -> Place:
    return Place(table="cloud_providers", column="encrypted_credentials", row_id=provider.id)


def _not_found(key: ProviderKey) -> NotFoundError:
    return NotFoundError("CloudProvider", key.team_name.name if key.team_name else key.id)


def _name_taken(name: str) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"cloud provider name {name!r} is taken in the team",
        resource_type="CloudProvider",
        resource_name=name,
        reason="CLOUD_PROVIDER_NAME_TAKEN",
    )
