"""The rules of secrets."""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from stagely_rpc import access
from stagely_rpc.access import ResourceRef
from stagely_rpc.crypto.envelope import StorageLocation
from stagely_rpc.db.etag import check_etag
from stagely_rpc.db.models import Project, Secret
from stagely_rpc.db.models.rows import DataKeyRow, OwnedSecretRow, SecretRow, SecretSummary
from stagely_rpc.errors import AbortedError, DataLossError, NotFoundError, PermissionDeniedError
from stagely_rpc.projects import service as projects
from stagely_rpc.projects.inputs import ProjectKey
from stagely_rpc.secrets import queries
from stagely_rpc.secrets.inputs import SecretKey
from stagely_rpc.secrets.overlay import overlay_secrets

if TYPE_CHECKING:
    from stagely_rpc.crypto.envelope import Keyring
    from stagely_rpc.db.paging import Found, Page
    from stagely_rpc.db.session import ReadSession, Session
    from stagely_rpc.db.write_session import OnConstraint, WriteSession
    from stagely_rpc.secrets.inputs import NewSecret, SecretDeletion, SecretFilter, ServiceScope
    from stagely_rpc.secrets.queries import Candidate


async def set_secret(session: WriteSession, keyring: Keyring, new: NewSecret) -> tuple[SecretRow, bool]:
    """Create a secret or replace it.

    Returns:
        The secret, and whether it is new.

    Raises:
        NotFoundError: there is no such project; or the secret is new, and the user who creates it does not exist.
        FailedPreconditionError: the team is deleted, or the server has no encryption key.
        AbortedError: the etag is stale, or a concurrent call created the secret.
        DataLossError: the team's data key can't be decrypted.
    """
    _check_creator(session, new)
    ref, not_found = ResourceRef(Project, new.project_id), NotFoundError("Project", new.project_id)
    lock = queries.lock_secret(SecretKey.model_construct(id=None, name=new.name))
    team, before, data_key = await access.lock_team(session, ref, not_found, lock, keyring.active(ref))
    data_key = data_key or await keyring.make_active(session, team.id)
    if before is None:
        secret = _add(session, keyring, data_key, new)
    else:
        secret = _replace(session, keyring, data_key, before, new)
    session.record(before, secret, **_audit_details(secret))
    return secret, before is None


async def get_secret(session: Session, key: SecretKey) -> OwnedSecretRow:
    """Return a secret.

    Raises:
        NotFoundError: there is no such secret.
    """
    if key.name is None:
        secret = await session.read(queries.SECRET_BY_ID, key.id)
    else:
        name = key.name
        secret = await session.read(queries.SECRET_BY_NAME, name.project_id, name.key, name.scope)
    not_found = NotFoundError("Secret", key)
    if secret is None:
        raise not_found
    await access.require_team(session, secret.team_id, not_found)
    return secret


async def list_secrets(session: Session, wanted: SecretFilter, page: Page) -> Found[SecretSummary]:
    """Return a page of a project's secrets.

    Raises:
        NotFoundError: there is no such project.
    """
    await access.require_project(session, wanted.project_id, NotFoundError("Project", wanted.project_id))
    found = await queries.list_secrets(session, wanted, page)
    if not found.rows:
        await projects.get_project(session, ProjectKey(id=wanted.project_id))
    return found


async def access_secret(session: ReadSession, keyring: Keyring, key: SecretKey) -> tuple[OwnedSecretRow, bytes]:
    """Return a secret and its value.

    Raises:
        NotFoundError: there is no such secret.
        FailedPreconditionError: the server has no encryption key.
        DataLossError: the stored value can't be decrypted.
    """
    secret = await get_secret(session, key)
    value = await _decrypt(session, keyring, secret)
    await session.append(secret.id, secret.project_id, _audit_details(secret))
    return secret, value


async def delete_secret(session: WriteSession, deletion: SecretDeletion) -> None:
    """Delete a secret.

    Raises:
        NotFoundError: there is no such secret.
        FailedPreconditionError: the team is deleted.
        AbortedError: the etag is stale.
    """
    name = deletion.name
    ref = ResourceRef(Secret, cast("uuid.UUID", deletion.id)) if name is None else ResourceRef(Project, name.project_id)
    not_found = NotFoundError("Secret", deletion)
    _, found = await access.lock_team(session, ref, not_found, queries.lock_secret(deletion))
    secret = access.require_unchanged(found, deletion, not_found)
    session.delete(secret)
    session.record(secret, None, **_audit_details(secret))


async def resolve_secrets(
    session: ReadSession, keyring: Keyring, wanted: ServiceScope
) -> list[tuple[Candidate, bytes]]:
    """Return the secrets that a service gets, with their values, ordered by key.

    If one value can't be decrypted, the call fails.

    Raises:
        NotFoundError: there is no such project.
        FailedPreconditionError: two files conflict, or the server has no encryption key.
        DataLossError: a stored value can't be decrypted.
    """
    ref, not_found = ResourceRef(Project, wanted.project_id), NotFoundError("Project", wanted.project_id)
    candidates = await access.authorize_and_fetch(session, ref, not_found, queries.list_candidates(wanted))
    secrets = overlay_secrets(candidates)
    # Decrypt in sequence: the first value fetches the data key, and the others use the cached key.
    resolved = [(secret, await _decrypt(session, keyring, secret)) for secret in secrets]
    await session.append(
        None, wanted.project_id, {"scope": wanted.scope, "secrets": [_audit_details(each) for each in secrets]}
    )
    return resolved


def _check_creator(session: WriteSession, new: NewSecret) -> None:
    user = session.acting_user
    if user is not None and new.created_by not in (None, user.id):
        message = f"created_by must be the acting user, {user.id}, or be omitted"
        raise PermissionDeniedError(message, reason="ANOTHER_USER")


def _replace(
    session: WriteSession, keyring: Keyring, data_key: DataKeyRow, before: SecretRow, new: NewSecret
) -> SecretRow:
    check_etag(before, new.etag)
    values = {
        "encrypted_value": keyring.seal(data_key, new.value, location=_location(before.id)),
        "secret_type": new.secret_type,
        "file_path": new.file_path,
        "file_permissions": new.file_permissions,
    }
    return session.update(before, values)


def _add(session: WriteSession, keyring: Keyring, data_key: DataKeyRow, new: NewSecret) -> SecretRow:
    if new.etag:
        raise AbortedError("the etag is stale: the secret does not exist", reason="ETAG_STALE")
    secret_id = uuid.uuid4()
    values = new.model_dump(exclude={"value", "etag"})
    values |= {"id": secret_id, "encrypted_value": keyring.seal(data_key, new.value, location=_location(secret_id))}
    if session.acting_user:
        values["created_by"] = session.acting_user.id
    on_constraint: OnConstraint = {
        "unique_secret_per_scope": _concurrent_set,
        "secrets_project_id_fkey": partial(NotFoundError, "Project", new.project_id),
        "secrets_created_by_fkey": partial(NotFoundError, "User", new.created_by),
    }
    return session.insert(SecretRow, values, on_constraint)


def _concurrent_set() -> AbortedError:
    return AbortedError("a concurrent call set the secret: retry", may_run_again=True)


async def _decrypt(session: Session, keyring: Keyring, secret: OwnedSecretRow | Candidate) -> bytes:
    try:
        return await keyring.open(session, secret.encrypted_value, location=_location(secret.id))
    except DataLossError as error:
        message = f"secret {secret.key!r} of scope {secret.scope!r} can't be decrypted: {error.message}"
        raise DataLossError(message, reason=error.reason) from error


def _audit_details(secret: SecretRow | OwnedSecretRow | Candidate) -> dict[str, Any]:
    """Return the details of a secret for the audit log, without the value."""
    return {"key": secret.key, "scope": secret.scope, "version": secret.row_version}


def _location(secret_id: uuid.UUID) -> StorageLocation:
    # Every stored value is bound to these names. They must not change, even if the columns are renamed.
    return StorageLocation("secrets", "encrypted_value", secret_id)
