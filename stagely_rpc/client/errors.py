"""The errors that a call may fail with: one class for each status code that the service gives.

They hold what the server said and nothing of the request. They can be pickled, to pass from one process to another.
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
    ("CLIENT", "Sent"): "the request has {} bytes, and this client sends {} at most",
    ("SERVER", "Received"): "the request has {} bytes, and the service takes {} at most",
    ("SERVER", "Sent"): "the response has {} bytes, and the service sends {} at most: ask for less at a time",
    ("CLIENT", "Received"): "the response has {} bytes, and this client takes {} at most: ask for less at a time",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """What is wrong with one field of a request: its path in the contract, and what is allowed."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class Resource:
    """What an error is about: the full name of its message, such as `stagely.v1.Team`, and its id or key."""

    type: str
    name: str


class StagelyError(Exception):
    """A call that failed.

    Attributes:
        code: the gRPC status code.
        message: what happened, for a person.
        reason: what happened, for a program, such as QUOTA_EXCEEDED; empty where the call did not reach the service.
        request_id: what the service's log has the call under; empty where the call did not reach the service.
        violations: what is wrong with which field.
        resource: what is not there, or is there already.
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
    """The request is wrong whatever the state of the store: see `violations`."""


class NotFoundError(StagelyError):
    """No such resource, or not one that the caller may see: see `resource`."""


class AlreadyExistsError(StagelyError):
    """What must be unique is taken: see `resource`."""


class UnauthenticatedError(StagelyError):
    """The service does not take the token or the certificate."""


class PermissionDeniedError(StagelyError):
    """The service knows the caller, who may not do this."""


class FailedPreconditionError(StagelyError):
    """The store is in the wrong state for the request."""


class AbortedError(StagelyError):
    """The etag is stale or a race was lost: read again, then decide again."""


class ResourceExhaustedError(StagelyError):
    """A quota is used up; or, with a `retry_delay`, there is too much load."""


class MessageTooLargeError(ResourceExhaustedError):
    """The request or the response is larger than one end allows: gRPC itself refuses it, each time that it is sent.

    A request was not looked at. What a response tells of has been done.
    """


class DataLossError(StagelyError):
    """A stored ciphertext does not authenticate: there is no value."""


class DeadlineExceededError(StagelyError):
    """No answer in time. What was asked for may have been done: a repetition with the same `request_id` finds out."""


class UnavailableError(StagelyError):
    """The service can't be reached, can't reach its database, or sheds what it can't begin, after all retries."""


class UnimplementedError(StagelyError):
    """The server is older than this client and does not have the RPC."""


class InternalError(StagelyError):
    """A fault of the service, which has logged it under `request_id`."""


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
    # By gRPC's core, which sheds it. A task that is cancelled here ends in asyncio's error.
    grpc.StatusCode.CANCELLED: UnavailableError,
    grpc.StatusCode.UNIMPLEMENTED: UnimplementedError,
    grpc.StatusCode.INTERNAL: InternalError,
}
"""Any other code, which only something between the client and the service gives, is a plain `StagelyError`."""


@contextmanager
def typed() -> Iterator[None]:
    """Raise what gRPC raises as the error of its code."""
    try:
        yield
    except grpc.RpcError as failed:
        raise error_of(failed) from failed


def error_of(failed: grpc.RpcError) -> StagelyError:
    """Return the typed error of a failed call, with what its `google.rpc` details say."""
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
            with suppress(DecodeError):  # something between here and the service made it up
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
