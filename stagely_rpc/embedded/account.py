"""Who runs PostgreSQL when root starts it: PostgreSQL refuses to run as root."""

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
    """The user and group to run a child process as; None stands for our own, as in `subprocess.Popen`."""

    uid: int | None = None
    gid: int | None = None

    @property
    def extra_groups(self) -> list[int] | None:
        """No supplementary group of root's may reach the child."""
        return None if self.uid is None else []


class NoAccountError(Exception):
    """Root has no unprivileged user to run PostgreSQL as, and could not add one."""


def account_for(directory: Path) -> Account:
    """Return the account that owns what is under `directory`.

    Not root: ourselves. Root: the folder's owner where that is another user already (so that `sudo` leaves a
    user's data to that user), else the system user `stagely-postgres`, added when it is missing.

    Raises:
        NoAccountError: the system user is missing and cannot be added.
    """
    if os.geteuid() != 0:
        return Account()
    owner = directory.stat()
    if owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    return _system_account()


def let_through(path: Path, account: Account) -> None:
    """Let `account` reach `path`: every folder above it is opened for passing through, never for listing.

    Does nothing when the account is our own. Each folder changed is named in a warning.
    """
    if account.uid is None:
        return
    for folder in path.parents:
        found = folder.stat()
        passing = _passing_bit(found, account)
        if not found.st_mode & passing:
            folder.chmod(stat.S_IMODE(found.st_mode) | passing)
            _log.warning(
                "opened %s for passing through: root runs postgresql as the uid %d",
                folder,
                account.uid,
            )


def let_read(tree: Path, account: Account) -> None:
    """Let `account` read and run what is in `tree`, if there is one, where root installed it under a umask like 077."""
    if account.uid is None or not tree.exists() or tree.stat().st_mode & stat.S_IROTH:
        return
    for path in (tree, *tree.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))
    _log.warning(
        "opened %s for reading (o+rX): root runs postgresql as the uid %d",
        tree,
        account.uid,
    )


def _passing_bit(folder: os.stat_result, account: Account) -> int:
    if folder.st_uid == account.uid:
        return stat.S_IXUSR
    if folder.st_gid == account.gid:
        return stat.S_IXGRP
    return stat.S_IXOTH


def _system_account() -> Account:
    with suppress(KeyError):
        return _named_account()
    try:
        subprocess.run((*_ADD_ACCOUNT, ACCOUNT_NAME), check=False, capture_output=True)
        # Looked up whatever useradd said: another process may have added it at the same time.
        return _named_account()
    except (OSError, KeyError) as missing:
        message = f"postgresql does not run as root, and the user {ACCOUNT_NAME} cannot be added: run as another user"
        raise NoAccountError(message) from missing


def _named_account() -> Account:
    found = pwd.getpwnam(ACCOUNT_NAME)
    return Account(found.pw_uid, found.pw_gid)
