"""The rules of secrets."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from stagely_rpc import access
from stagely_rpc.crypto.envelope import Place
from stagely_rpc.db.errors import constraint
from stagely_rpc.db.etag import check_etag
from stagely_rpc.db.session import state
from stagely_rpc.errors import AbortedError, DataLossError, NotFoundError, PermissionDeniedError
from stagely_rpc.projects import service as projects
from stagely_rpc.projects.inputs import ProjectKey
from stagely_rpc.secrets import queries
from stagely_rpc.secrets.inputs import SecretKey
from stagely_rpc.secrets.overlay import overlaid
from stagely_rpc.teams import service as teams

if TYPE_CHECKING:
    from stagely_rpc.crypto.envelope import Keyring
    from stagely_rpc.db.models import Secret
    from stagely_rpc.db.paging import Found, Page
    from stagely_rpc.db.session import Session, WriteSession
    from stagely_rpc.secrets.inputs import NewSecret, SecretDeletion, SecretFilter, ServiceScope

_ATTEMPTS = 10


async def set_secret(session: WriteSession, keyring: Keyring, new: NewSecret) -> tuple[Secret, bool]:
    """Create a secret or replace it.

    Returns:
        The secret, and whether it is new.

    Raises:
        NotFoundError: there is no such project; or the secret is new, and there is no user who creates it.
        FailedPreconditionError: the team is deleted, or there is no encryption key.
        AbortedError: the etag is stale, or others kept setting and deleting the secret.
        DataLossError: the team's data key can't be decrypted.
    """
    _check_creator(session, new)
    team_id = await _hold_team_of(session, new.project_id)
    for _ in range(_ATTEMPTS):
        secret = await queries.lock_secret(session, SecretKey(name=new.name))
        if secret is not None:
            await _replace(session, keyring, secret, new, team_id)
            return secret, False
        secret = await _add(session, keyring, new, team_id)
        if secret is not None:
            session.record(secret, **_named(secret))
            return secret, True
    raise AbortedError("the secret was set and deleted at the same time: retry")


async def get_secret(session: Session, key: SecretKey) -> Secret:
    """Return a secret.

    Raises:
        NotFoundError: there is none.
    """
    secret = _found(await queries.get_secret(session, key), key)
    await access.require_project(session, secret.project_id, NotFoundError("Secret", key))
    return secret


async def list_secrets(session: Session, wanted: SecretFilter, page: Page) -> Found[Secret]:
    """Return a page of a project's secrets.

    Raises:
        NotFoundError: there is no such project.
    """
    await access.require_project(session, wanted.project_id, NotFoundError("Project", wanted.project_id))
    found = await queries.list_secrets(session, wanted, page)
    if not found.rows:
        await projects.get_project(session, ProjectKey(id=wanted.project_id))
    return found


async def access_secret(session: WriteSession, keyring: Keyring, key: SecretKey) -> tuple[Secret, bytes]:
    """Return a secret and its value.

    Raises:
        NotFoundError: there is none.
        FailedPreconditionError: there is no encryption key.
        DataLossError: the stored value does not authenticate.
    """
    secret = await get_secret(session, key)
    session.record_entry(secret.id, secret.project_id, _named(secret))
    return secret, await _value_of(session, keyring, secret)


async def delete_secret(session: WriteSession, deletion: SecretDeletion) -> None:
    """Delete a secret.

    Raises:
        NotFoundError: there is none.
        FailedPreconditionError: the team is deleted.
        AbortedError: the etag is stale.
    """
    await _hold_team_of(session, (await get_secret(session, deletion)).project_id)
    secret = _found(await queries.lock_secret(session, deletion), deletion)
    check_etag(secret, deletion.etag)
    before = state(secret)
    await session.delete(secret)
    await session.flush()
    session.record(secret, before=before, **_named(secret))


async def resolve_secrets(session: WriteSession, keyring: Keyring, wanted: ServiceScope) -> list[tuple[Secret, bytes]]:
    """Return the secrets that a service gets and their values, ordered by key: all of them or none.

    Raises:
        NotFoundError: there is no such project.
        FailedPreconditionError: two files can't both be written, or there is no encryption key.
        DataLossError: a stored value does not authenticate.
    """
    await access.require_project(session, wanted.project_id, NotFoundError("Project", wanted.project_id))
    secrets = overlaid(await queries.list_candidates(session, wanted))
    session.record_entry(
        None, wanted.project_id, {"scope": wanted.scope, "secrets": [_named(each) for each in secrets]}
    )
    # One after another: the first value of a data key fetches it, the others find it at hand.
    return [(secret, await _value_of(session, keyring, secret)) for secret in secrets]


def _check_creator(session: WriteSession, new: NewSecret) -> None:
    user = session.acting_user
    if user is not None and new.created_by not in (None, user.id):
        message = f"created_by must be the acting user, {user.id}, or be left out"
        raise PermissionDeniedError(message, reason="ANOTHER_USER")


async def _hold_team_of(session: WriteSession, project_id: uuid.UUID) -> uuid.UUID:
    """Return the team of a project, held: it won't be deleted until the transaction ends."""
    project = await projects.get_project(session, ProjectKey(id=project_id))
    return (await teams.hold_live_team(session, project.team_id)).id


async def _replace(session: WriteSession, keyring: Keyring, secret: Secret, new: NewSecret, team_id: uuid.UUID) -> None:
    check_etag(secret, new.etag)
    before = state(secret)
    secret.encrypted_value = await keyring.seal(session, new.value, team_id=team_id, place=_place(secret.id))
    secret.secret_type = new.secret_type
    secret.file_path = new.file_path
    secret.file_permissions = new.file_permissions
    await session.flush()
    session.record(secret, before=before, **_named(secret))


async def _add(session: WriteSession, keyring: Keyring, new: NewSecret, team_id: uuid.UUID) -> Secret | None:
    """Add the secret; None if someone else just did."""
    if new.etag:
        raise AbortedError("the etag is stale: there is no such secret any more", reason="ETAG_STALE")
    secret_id = uuid.uuid4()
    encrypted_value = await keyring.seal(session, new.value, team_id=team_id, place=_place(secret_id))
    columns = new.model_dump(exclude={"value", "etag"})
    if session.acting_user:
        columns["created_by"] = session.acting_user.id
    with (
        constraint("secrets_project_id_fkey", NotFoundError("Project", new.project_id)),
        constraint("secrets_created_by_fkey", NotFoundError("User", new.created_by)),
    ):
        return await queries.add_secret(session, id=secret_id, encrypted_value=encrypted_value, **columns)


async def _value_of(session: Session, keyring: Keyring, secret: Secret) -> bytes:
    try:
        return await keyring.open(session, secret.encrypted_value, place=_place(secret.id))
    except DataLossError as error:
        message = f"secret {secret.key!r} of scope {secret.scope!r} can't be decrypted: {error.message}"
        raise DataLossError(message, reason=error.reason) from error


def _named(secret: Secret) -> dict[str, Any]:
    """Return what the audit trail says of a secret instead of its value."""
    return {"key": secret.key, "scope": secret.scope, "version": secret.row_version}


def _place(secret_id: uuid.UUID) -> Place:
    # Every stored value is bound to these names: they stay, whatever becomes of the table's.
    return Place("secrets", "encrypted_value", secret_id)


def _found(secret: Secret | None, key: SecretKey) -> Secret:
    if secret is None:
        raise NotFoundError("Secret", key)
    return secret
