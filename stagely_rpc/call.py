"""What belongs to a call and not to its request: one small object, made by the outermost interceptor."""

from __future__ import annotations

import re
import time
import uuid
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    import grpc

    Context = grpc.aio.ServicerContext[Any, Any]

REQUEST_ID_HEADER = "x-request-id"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._~:/+=-]{1,128}")


@dataclass(frozen=True, slots=True)
class Call:
    """One RPC under way.

    Attributes:
        method: full name, such as `/stagely.v1.TeamService/GetTeam`.
        peer: the caller's address as gRPC writes it, such as `ipv4:127.0.0.1:51234`.
        request_id: the caller's `x-request-id`, or one made here.
        started: `time.perf_counter()` when the call arrived, in seconds.
    """

    method: str
    peer: str
    request_id: str
    started: float = field(default_factory=time.perf_counter)


current_call: ContextVar[Call] = ContextVar("current_call")


def request_id_from(metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    """Take the caller's request id, or make one: what could break a log line is not taken."""
    for key, value in metadata or ():
        if key == REQUEST_ID_HEADER and isinstance(value, str) and _REQUEST_ID.fullmatch(value):
            return value
    return str(uuid.uuid4())
