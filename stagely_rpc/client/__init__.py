"""The Python client of Stagely RPC: what a caller imports. It needs nothing of the server.

    async with connect("dns:///stagely-rpc:8080", token=token, tls=True) as stagely:
        team = await stagely.teams.get(slug="acme")
        async for project in stagely.projects.list(team_id=team.id):
            ...

`connect_sync` is the same without asyncio. Each RPC of the contract is a method whose arguments are the request's
fields: an enum value also by its short name, such as `role="owner"`; JSON as a dict, a time as a `datetime`. It returns
the response, or the one message that is in it. A call fails with a `StagelyError` of the class of its status code.

A stream of responses is an iterator. One that says where it is, by a `resume_token` in each response, goes on by itself
when its connection or its server ends. A stream of requests takes an iterator, and is sent once.
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
