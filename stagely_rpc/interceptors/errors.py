"""Maps errors to status codes. The caller gets the public message; the log gets the details."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import grpc
import structlog
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from stagely_rpc import errors
from stagely_rpc.call import current_call
from stagely_rpc.interceptors.metadata import REQUEST_ID_HEADER
from stagely_rpc.interceptors.wrapping import WrappingInterceptor, behavior_of, with_behavior

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from stagely_rpc.wire.context import Context

ERROR_DOMAIN = "stagely.dev"

STATUS_BY_ERROR: dict[type[errors.StagelyError], grpc.StatusCode] = {
    errors.InvalidArgumentError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFoundError: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExistsError: grpc.StatusCode.ALREADY_EXISTS,
    errors.UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    errors.PermissionDeniedError: grpc.StatusCode.PERMISSION_DENIED,
    errors.FailedPreconditionError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.AbortedError: grpc.StatusCode.ABORTED,
    errors.ResourceExhaustedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.OverloadedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.DataLossError: grpc.StatusCode.DATA_LOSS,
    errors.DeadlineExceededError: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.UnavailableError: grpc.StatusCode.UNAVAILABLE,
    errors.DrainingError: grpc.StatusCode.UNAVAILABLE,
}

# `context.abort` was called, or gRPC could not send a response: no status can be sent.
_FROM_GRPC = (grpc.aio.AbortError, grpc.aio.InternalError)
_DETAILS_HEADER = "grpc-status-details-bin"

_log = structlog.get_logger(__name__)


class ErrorInterceptor(WrappingInterceptor):
    """Returns a domain error with its code and details, and any other error as INTERNAL with only the request id."""

    def wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """Abort calls of the method with their errors. Cancellation passes through."""
        behavior = behavior_of(handler)

        async def serve(request: object, context: Context) -> object:
            try:
                return await behavior(request, context)
            except Exception as error:  # noqa: BLE001 - every error becomes a status and a log line
                await _refuse(method, context, error)

        return with_behavior(handler, serve)


async def _refuse(method: str, context: Context, error: Exception) -> NoReturn:
    if isinstance(error, _FROM_GRPC):
        raise error
    if isinstance(error, errors.StagelyError):
        await _abort(context, STATUS_BY_ERROR[type(error)], error.message, info_of(error), details_of(error))
    request_id = current_call.get().request_id
    _log.error("internal error", method=method, request_id=request_id, exc_info=error)
    message = f"internal error, request id {request_id}"
    info = error_details_pb2.ErrorInfo(reason="INTERNAL", domain=ERROR_DOMAIN)
    await _abort(context, grpc.StatusCode.INTERNAL, message, info, ())


async def _abort(
    context: Context,
    code: grpc.StatusCode,
    message: str,
    info: error_details_pb2.ErrorInfo,
    details: Iterator[Message] | tuple[()],
) -> NoReturn:
    request_id = current_call.get().request_id
    always = (info, error_details_pb2.RequestInfo(request_id=request_id))
    status = status_pb2.Status(
        code=code.value[0], message=message, details=[_packed(detail) for detail in (*always, *details)]
    )
    metadata = ((REQUEST_ID_HEADER, request_id), (_DETAILS_HEADER, status.SerializeToString()))
    await context.abort(code, message, metadata)
    raise AssertionError


def info_of(error: errors.StagelyError) -> error_details_pb2.ErrorInfo:
    """Return the reason of an error, with the resume token of a drained stream."""
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN)
    if isinstance(error, errors.DrainingError) and error.resume_token:
        info.metadata["resume_token"] = error.resume_token
    return info


def details_of(error: errors.StagelyError) -> Iterator[Message]:
    """Yield the `google.rpc` details of an error, apart from its reason."""
    if isinstance(error, errors.InvalidArgumentError):
        yield error_details_pb2.BadRequest(
            field_violations=[
                error_details_pb2.BadRequest.FieldViolation(field=v.field, description=v.description)
                for v in error.violations
            ]
        )
    elif isinstance(error, errors.ResourceError):
        yield error_details_pb2.ResourceInfo(
            resource_type=error.resource_type, resource_name=error.resource_name, description=error.message
        )
    elif isinstance(error, errors.FailedPreconditionError):
        violation = error_details_pb2.PreconditionFailure.Violation(
            type=error.reason, subject=error.subject, description=error.message
        )
        yield error_details_pb2.PreconditionFailure(violations=[violation])
    elif isinstance(error, errors.ResourceExhaustedError):
        quota = error_details_pb2.QuotaFailure.Violation(subject=error.subject, description=error.message)
        yield error_details_pb2.QuotaFailure(violations=[quota])
    elif isinstance(error, errors.TransientError):
        delay = Duration()
        delay.FromMilliseconds(round(error.retry_after_seconds * 1000))
        yield error_details_pb2.RetryInfo(retry_delay=delay)


def _packed(detail: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed
