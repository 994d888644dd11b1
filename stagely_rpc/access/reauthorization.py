"""Repeated authorization of open streams, with the current caller and the owners found at the start."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stagely_rpc.access import queries
from stagely_rpc.access.decisions import admit, another_user_denial, role_denial
from stagely_rpc.call import TeamOwner

if TYPE_CHECKING:
    import uuid

    from stagely_rpc.call import Call, Caller, Owner, User
    from stagely_rpc.db.database import Database
    from stagely_rpc.errors import PermissionDeniedError


async def admit_again(db: Database, call: Call, caller: Caller, acting_user_id: uuid.UUID | None) -> Caller:
    """Authorize an open stream again. Return its caller with the acting user.

    A lost membership is PERMISSION_DENIED here, not NOT_FOUND: the caller already knows that the resource exists.

    Args:
        db: the database with users and roles.
        call: the call of the stream, with the owners of its resources.
        caller: the calling service, authenticated again.
        acting_user_id: the user that it acts for.

    Raises:
        PermissionDeniedError: the service lacks a permission, or the user is deactivated or has lost the role.
    """
    caller = await admit(db, replace(call, caller=caller), acting_user_id)
    if caller.user is not None:
        for owner in tuple(call.owners or ()):
            denial = await _denial(db, call, caller.user, owner)
            if denial is not None:
                raise denial
    return caller


async def _denial(db: Database, call: Call, user: User, owner: Owner) -> PermissionDeniedError | None:
    if isinstance(owner, TeamOwner):
        found = await db.fetch(queries.ROLE, owner.id, user.id)
        return role_denial(call.policy, user, owner.id, None if found is None else found.role)
    teammates = await db.fetch(queries.TEAMMATES, user.id, owner.id)
    return another_user_denial(user) if teammates is None else None
