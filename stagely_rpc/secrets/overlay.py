"""Selects the secrets that a service gets. Pure functions, without a database and without values."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from stagely_rpc.errors import FailedPreconditionError
from stagely_rpc.secrets.inputs import GLOBAL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stagely_rpc.secrets.queries import Candidate


def overlay_secrets(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the secrets that a service gets: one per key and per path, ordered by key.

    Secrets in the scope of the service override global secrets.

    Args:
        candidates: secrets of one project, in the scope `global` or in the scope of the service.

    Raises:
        FailedPreconditionError: two files have the same path, or one file would be a folder of the other.
    """
    global_first = sorted(candidates, key=lambda secret: secret.scope != GLOBAL)
    by_key = {secret.key: secret for secret in global_first}
    own_paths = {secret.file_path for secret in by_key.values() if secret.scope != GLOBAL and secret.file_path}
    chosen = [
        secret for _, secret in sorted(by_key.items()) if secret.scope != GLOBAL or secret.file_path not in own_paths
    ]
    _refuse_conflicts(chosen)
    return chosen


def _refuse_conflicts(secrets: Iterable[Candidate]) -> None:
    files: dict[PurePosixPath, Candidate] = {}
    for secret in secrets:
        if secret.file_path:
            path = PurePosixPath(secret.file_path)
            if path in files:
                raise _conflict(files[path], secret)
            files[path] = secret
    for path, secret in files.items():
        for folder in path.parents:
            if folder in files:
                raise _conflict(files[folder], secret)


def _conflict(one: Candidate, other: Candidate) -> FailedPreconditionError:
    message = f"the files of secrets {one.key!r} and {other.key!r} conflict: {one.file_path!r} and {other.file_path!r}"
    return FailedPreconditionError(message, subject=f"Secret {other.id}", reason="SECRET_FILES_CONFLICT")
