"""The account that runs PostgreSQL when root starts it, because PostgreSQL refuses to run as root."""

from __future__ import annotations

import logging
import os
import pwd
import stat
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT_NAME = "stagely-postgres"

_ADD_ACCOUNT = (
    "useradd",
    "--system",
    "--no-create-home",
    "--home-dir",
    "/",
    "--shell",
    "/usr/sbin/nologin",
)
_log = logging.getLogger(__name__)


class Account(NamedTuple):
    """The user and group of a child process. None means this process's own, as in `subprocess.Popen`."""

    uid: int | None = None
    gid: int | None = None

    @property
    def extra_groups(self) -> list[int] | None:
        """The supplementary groups of the child process: none of root's."""
        return None if self.uid is None else []


class NoAccountError(Exception):
    """There is no unprivileged user to run PostgreSQL as, and root could not add one."""


def account_for(directory: Path) -> Account:
    """Return the account that runs PostgreSQL with its data in `directory`.

    If this process is not root, that is its own account. For root, it is the directory's owner, so that `sudo` leaves
    a user's data with that user. If root owns the directory, it is the system user `stagely-postgres`, which is added
    if it is missing.

    Raises:
        NoAccountError: the system user is missing and cannot be added.
    """
    if os.geteuid() != 0:
        return Account()
    owner = directory.stat()
    if owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    return _system_account()


def grant_traversal(path: Path, account: Account) -> None:
    """Let `account` reach `path`: add execute permission, but not read permission, to each directory above it.

    Does nothing if the account is this process's own. Logs a warning for each changed directory.
    """
    if account.uid is None:
        return
    for directory in path.parents:
        found = directory.stat()
        execute = _execute_bit(found, account)
        if not found.st_mode & execute:
            directory.chmod(stat.S_IMODE(found.st_mode) | execute)
            _log.warning(
                "added execute permission to %s: root runs postgresql as the uid %d",
                directory,
                account.uid,
            )


def grant_read(tree: Path, account: Account) -> None:
    """Let `account` read and run the files in `tree`, if it exists.

    The files are private to root if root installed them with a umask such as 077. Logs a warning if it changes them.
    """
    if account.uid is None or not tree.exists() or tree.stat().st_mode & stat.S_IROTH:
        return
    for path in (tree, *tree.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))
    _log.warning(
        "added read permission (o+rX) to %s: root runs postgresql as the uid %d",
        tree,
        account.uid,
    )


def _execute_bit(directory: os.stat_result, account: Account) -> int:
    if directory.st_uid == account.uid:
        return stat.S_IXUSR
    if directory.st_gid == account.gid:
        return stat.S_IXGRP
    return stat.S_IXOTH


def _system_account() -> Account:
    with suppress(KeyError):
        return _named_account()
    try:
        subprocess.run((*_ADD_ACCOUNT, ACCOUNT_NAME), check=False, capture_output=True)
        # Look up the user even if useradd failed: another process may have added it at the same time.
        return _named_account()
    except (OSError, KeyError) as missing:
        message = f"postgresql does not run as root, and the user {ACCOUNT_NAME} cannot be added: run as another user"
        raise NoAccountError(message) from missing


def _named_account() -> Account:
    found = pwd.getpwnam(ACCOUNT_NAME)
    return Account(found.pw_uid, found.pw_gid)
