"""The errors of calls: one class for each status code of the service.

They contain what the server returned, and nothing of the request. They can be pickled.
"""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import timedelta

    from google.protobuf.any_pb2 import Any as AnyMessage

Detail = TypeVar("Detail", bound=Message)

_DETAILS_HEADER = "grpc-status-details-bin"

_TOO_LARGE = re.compile(r"(CLIENT|SERVER): (Sent|Received) message larger than max \((\d+) vs\. (\d+)\)")
_MESSAGE_BY_WHO_REFUSED = {
    ("CLIENT", "Sent"): "the request has {} bytes; the limit of this client is {}",
    ("SERVER", "Received"): "the request has {} bytes; the limit of the service is {}",
    ("SERVER", "Sent"): "the response has {} bytes; the limit of the service is {}: request less at a time",
    ("CLIENT", "Received"): "the response has {} bytes; the limit of this client is {}: request less at a time",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """An invalid field of a request: its path in the contract, and what is allowed."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class Resource:
    """The resource of an error: the full name of its message, such as `stagely.v1.Team`, and its id or key."""

    type: str
    name: str


class StagelyError(Exception):
    """A call that failed.

    Attributes:
        code: the gRPC status code.
        message: what happened, for a person.
        reason: what happened, for a program, such as QUOTA_EXCEEDED; empty if the call did not reach the service.
        request_id: the id of the call in the service's log; empty if the call did not reach the service.
        violations: the invalid fields.
        resource: the missing or existing resource.
        retry_delay: when a retry makes sense.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.reason = ""
        self.request_id = ""
        self.violations: Sequence[Violation] = ()
        self.resource: Resource | None = None
        self.retry_delay: timedelta | None = None

    def __str__(self) -> str:
        request = f" (request id {self.request_id})" if self.request_id else ""
        return f"{self.code.name}: {self.message}{request}"


class InvalidArgumentError(StagelyError):
    """The request is invalid in any state of the store: see `violations`."""


class NotFoundError(StagelyError):
    """The resource does not exist, or the caller may not see it: see `resource`."""


class AlreadyExistsError(StagelyError):
    """A unique value is already taken: see `resource`."""


class UnauthenticatedError(StagelyError):
    """The service does not accept the token or the certificate."""


class PermissionDeniedError(StagelyError):
    """The authenticated caller may not do this."""


class FailedPreconditionError(StagelyError):
    """The store is in the wrong state for the request."""


class AbortedError(StagelyError):
    """The etag is stale or a race was lost: read again, then decide again."""


class ResourceExhaustedError(StagelyError):
    """A quota is used up; or, with a `retry_delay`, the service is overloaded."""


class MessageTooLargeError(ResourceExhaustedError):
    """The request or the response exceeds a size limit of gRPC. A retry fails too.

    A request that is too large was not processed. If the response is too large, the call has been done.
    """


class DataLossError(StagelyError):
    """A stored ciphertext does not authenticate, so there is no value."""


class DeadlineExceededError(StagelyError):
    """No response in time. The call may have been done: a retry with the same `request_id` is safe."""


class UnavailableError(StagelyError):
    """After all retries: the service or its database is unreachable, or the service shed the call."""


class UnimplementedError(StagelyError):
    """The server is older than this client and does not have the RPC."""


class InternalError(StagelyError):
    """A bug in the service. Its log has the error with the `request_id`."""


ERROR_BY_CODE: dict[grpc.StatusCode, type[StagelyError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExistsError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPreconditionError,
    grpc.StatusCode.ABORTED: AbortedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhaustedError,
    grpc.StatusCode.DATA_LOSS: DataLossError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    # gRPC's core sheds calls with CANCELLED. A cancelled task of this client raises asyncio's error instead.
    grpc.StatusCode.CANCELLED: UnavailableError,
    grpc.StatusCode.UNIMPLEMENTED: UnimplementedError,
    grpc.StatusCode.INTERNAL: InternalError,
}
"""The error class of each code. Other codes, which only a proxy returns, are a plain `StagelyError`."""


@contextmanager
def typed() -> Iterator[None]:
    """Convert gRPC's errors into errors of this module."""
    try:
        yield
    except grpc.RpcError as failed:
        raise error_of(failed) from failed


def error_of(failed: grpc.RpcError) -> StagelyError:
    """Return the error of a failed call, with its `google.rpc` details."""
    code, said = failed.code(), failed.details() or ""
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and (refused := _TOO_LARGE.search(said)):
        return MessageTooLargeError(code, _message_of(refused))
    error = ERROR_BY_CODE.get(code, StagelyError)(code, said)
    for detail in _details_of(failed):
        _add(error, detail)
    return error


def _message_of(refused: re.Match[str]) -> str:
    end, did, size, limit = refused.groups()
    return _MESSAGE_BY_WHO_REFUSED[end, did].format(size, limit)


def _details_of(failed: grpc.RpcError) -> Sequence[AnyMessage]:
    metadata = cast("Iterable[tuple[str, str | bytes]]", failed.trailing_metadata() or ())
    status = status_pb2.Status()
    for key, value in metadata:
        if key == _DETAILS_HEADER and isinstance(value, bytes):
            with suppress(DecodeError):  # a proxy may have set it
                status.ParseFromString(value)
    return list(status.details)


def _add(error: StagelyError, detail: AnyMessage) -> None:
    if info := _unpacked(detail, error_details_pb2.ErrorInfo):
        error.reason = info.reason
    elif request := _unpacked(detail, error_details_pb2.RequestInfo):
        error.request_id = request.request_id
    elif bad := _unpacked(detail, error_details_pb2.BadRequest):
        error.violations = tuple(Violation(found.field, found.description) for found in bad.field_violations)
    elif resource := _unpacked(detail, error_details_pb2.ResourceInfo):
        error.resource = Resource(resource.resource_type, resource.resource_name)
    elif retry := _unpacked(detail, error_details_pb2.RetryInfo):
        error.retry_delay = retry.retry_delay.ToTimedelta()


def _unpacked(detail: AnyMessage, kind: type[Detail]) -> Detail | None:
    message = kind()
    return message if detail.Unpack(message) else None
