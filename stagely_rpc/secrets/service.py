"""The rules of secrets."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from stagely_rpc.crypto.envelope import Place
from stagely_rpc.db.errors import constraint
from stagely_rpc.db.etag import check_etag
from stagely_rpc.errors import AbortedError, DataLossError, NotFoundError
from stagely_rpc.projects import service as projects
from stagely_rpc.projects.inputs import ProjectKey
from stagely_rpc.secrets import queries
from stagely_rpc.secrets.inputs import SecretKey
from stagely_rpc.secrets.overlay import overlaid
from stagely_rpc.teams import service as teams

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from stagely_rpc.crypto.envelope import Keyring
    from stagely_rpc.db.models import Secret
    from stagely_rpc.db.paging import Found, Page
    from stagely_rpc.secrets.inputs import NewSecret, SecretDeletion, SecretFilter, ServiceScope

_ATTEMPTS = 10


async def set_secret(session: AsyncSession, keyring: Keyring, new: NewSecret) -> tuple[Secret, bool]:
    """Create a secret or replace it.

    Returns:
        The secret, and whether it is new.

    Raises:
        NotFoundError: there is no such project; or the secret is new, and there is no user who creates it.
        FailedPreconditionError: the team is deleted, or there is no encryption key.
        AbortedError: the etag is stale, or others kept setting and deleting the secret.
        DataLossError: the team's data key can't be decrypted.
    """
    team_id = await _hold_team_of(session, new.project_id)
    for _ in range(_ATTEMPTS):
        secret = await queries.lock_secret(session, SecretKey(name=new.name))
        if secret is not None:
            await _replace(session, keyring, secret, new, team_id)
            return secret, False
        secret = await _add(session, keyring, new, team_id)
        if secret is not None:
            return secret, True
    raise AbortedError("the secret was set and deleted at the same time: retry")


async def get_secret(session: AsyncSession, key: SecretKey) -> Secret:
    """Return a secret.

    Raises:
        NotFoundError: there is none.
    """
    return _found(await queries.get_secret(session, key), key)


async def list_secrets(session: AsyncSession, wanted: SecretFilter, page: Page) -> Found[Secret]:
    """Return a page of a project's secrets.

    Raises:
        NotFoundError: there is no such project.
    """
    found = await queries.list_secrets(session, wanted, page)
    if not found.rows:
        await _check_project(session, wanted.project_id)
    return found


async def access_secret(session: AsyncSession, keyring: Keyring, key: SecretKey) -> tuple[Secret, bytes]:
    """Return a secret and its value.

    Raises:
        NotFoundError: there is none.
        FailedPreconditionError: there is no encryption key.
        DataLossError: the stored value does not authenticate.
    """
    secret = await get_secret(session, key)
    return secret, await _value_of(session, keyring, secret)


async def delete_secret(session: AsyncSession, deletion: SecretDeletion) -> None:
    """Delete a secret.

    Raises:
        NotFoundError: there is none.
        FailedPreconditionError: the team is deleted.
        AbortedError: the etag is stale.
    """
    await _hold_team_of(session, (await get_secret(session, deletion)).project_id)
    secret = _found(await queries.lock_secret(session, deletion), deletion)
    check_etag(secret, deletion.etag)
    await session.delete(secret)
    await session.flush()


async def resolve_secrets(session: AsyncSession, keyring: Keyring, wanted: ServiceScope) -> list[tuple[Secret, bytes]]:
    """Return the secrets that a service gets and their values, ordered by key: all of them or none.

    Raises:
        NotFoundError: there is no such project.
        FailedPreconditionError: two files can't both be written, or there is no encryption key.
        DataLossError: a stored value does not authenticate.
    """
    candidates = await queries.list_candidates(session, wanted)
    if not candidates:
        await _check_project(session, wanted.project_id)
    # One after another: the first value of a data key fetches it, the others find it at hand.
    return [(secret, await _value_of(session, keyring, secret)) for secret in overlaid(candidates)]


async def _check_project(session: AsyncSession, project_id: uuid.UUID) -> None:
    await projects.get_project(session, ProjectKey(id=project_id))


async def _hold_team_of(session: AsyncSession, project_id: uuid.UUID) -> uuid.UUID:
    """Return the team of a project, held: it won't be deleted until the transaction ends."""
    project = await projects.get_project(session, ProjectKey(id=project_id))
    return (await teams.hold_live_team(session, project.team_id)).id


async def _replace(session: AsyncSession, keyring: Keyring, secret: Secret, new: NewSecret, team_id: uuid.UUID) -> None:
    check_etag(secret, new.etag)
    secret.encrypted_value = await keyring.seal(session, new.value, team_id=team_id, place=_place(secret.id))
    secret.secret_type = new.secret_type
    secret.file_path = new.file_path
    secret.file_permissions = new.file_permissions
    await session.flush()


async def _add(session: AsyncSession, keyring: Keyring, new: NewSecret, team_id: uuid.UUID) -> Secret | None:
    """Add the secret; None if someone else just did."""
    if new.etag:
        raise AbortedError("the etag is stale: there is no such secret any more", reason="ETAG_STALE")
    secret_id = uuid.uuid4()
    encrypted_value = await keyring.seal(session, new.value, team_id=team_id, place=_place(secret_id))
    columns = new.model_dump(exclude={"value", "etag"})
    with (
        constraint("secrets_project_id_fkey", NotFoundError("Project", new.project_id)),
        constraint("secrets_created_by_fkey", NotFoundError("User", new.created_by)),
    ):
        return await queries.add_secret(session, id=secret_id, encrypted_value=encrypted_value, **columns)


async def _value_of(session: AsyncSession, keyring: Keyring, secret: Secret) -> bytes:
    try:
        return await keyring.open(session, secret.encrypted_value, place=_place(secret.id))
    except DataLossError as error:
        message = f"secret {secret.key!r} of scope {secret.scope!r} can't be decrypted: {error.message}"
        raise DataLossError(message, reason=error.reason) from error


def _place(secret_id: uuid.UUID) -> Place:
    # Every stored value is bound to these names: they stay, whatever becomes of the table's.
    return Place("secrets", "encrypted_value", secret_id)


def _found(secret: Secret | None, key: SecretKey) -> Secret:
    if secret is None:
        raise NotFoundError("Secret", key)
    return secret
