"""Health check: the key-encryption key matches the stored data keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely_rpc.crypto import queries
from stagely_rpc.errors import FailedPreconditionError
from stagely_rpc.health import Cause, UnhealthyError

if TYPE_CHECKING:
    from stagely_rpc.crypto.envelope import Keyring
    from stagely_rpc.health import DatabaseCheck
    from stagely_rpc.health.database import Connection


def key_check(keyring: Keyring) -> DatabaseCheck:
    """Return the check that this process can unwrap every data key in the database."""

    async def check(connection: Connection) -> None:
        found = await (await connection.execute(queries.KEY_ENCRYPTION_KEY_IDS.encode())).fetchone()
        try:
            keyring.require([each for each in found or () if each is not None])
        except FailedPreconditionError as error:
            raise UnhealthyError(Cause.KEY_MISSING, str(error)) from error

    return check
