"""The Python client of Stagely RPC. It imports nothing of the server.

    async with connect("dns:///stagely-rpc:8080", token=token, tls=True) as stagely:
        team = await stagely.teams.get(slug="acme")
        async for project in stagely.projects.list(team_id=team.id):
            ...

`connect_sync` is the same without asyncio. Each RPC of the contract is a method. Its arguments are the fields of the
request: an enum value can be given by its short name, such as `role="owner"`; JSON is a dict; a time is a `datetime`.
The method returns the response, or its only message. A failed call raises the subclass of `StagelyError` for its status
code.

A stream of responses is an iterator. If its responses have a `resume_token`, the client resumes the stream after the
end of a connection or a server. A stream of requests takes an iterator, and is sent once.
"""

from __future__ import annotations

from stagely_rpc.client.channels import Tls
from stagely_rpc.client.connection import Stagely, SyncStagely, connect, connect_sync
from stagely_rpc.client.errors import (
    AbortedError,
    AlreadyExistsError,
    DataLossError,
    DeadlineExceededError,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    MessageTooLargeError,
    NotFoundError,
    PermissionDeniedError,
    Resource,
    ResourceExhaustedError,
    StagelyError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
    Violation,
)
from stagely_rpc.client.paging import Pager, SyncPager
from stagely_rpc.client.services import Services, SyncServices

__all__ = [
    "AbortedError",
    "AlreadyExistsError",
    "DataLossError",
    "DeadlineExceededError",
    "FailedPreconditionError",
    "InternalError",
    "InvalidArgumentError",
    "MessageTooLargeError",
    "NotFoundError",
    "Pager",
    "PermissionDeniedError",
    "Resource",
    "ResourceExhaustedError",
    "Services",
    "Stagely",
    "StagelyError",
    "SyncPager",
    "SyncServices",
    "SyncStagely",
    "Tls",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "Violation",
    "connect",
    "connect_sync",
]
