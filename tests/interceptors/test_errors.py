from __future__ import annotations

import inspect
import re
import uuid
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import structlog
from google.protobuf.empty_pb2 import Empty
from grpc import StatusCode
from structlog.testing import capture_logs

from stagely_rpc import errors
from stagely_rpc.errors import StagelyError
from stagely_rpc.interceptors.access_log import AccessLogInterceptor
from stagely_rpc.interceptors.context import ContextInterceptor
from stagely_rpc.interceptors.decoding import DecodingInterceptor
from stagely_rpc.interceptors.errors import STATUS_BY_ERROR, ErrorInterceptor
from tests.support.chained import CALL_KINDS, chained, handler_of
from tests.support.eventually import logged
from tests.support.forms import FORMS, Form, Notes, start_call, texts_of
from tests.support.refusals import Refusal, refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from structlog.typing import EventDict

SERVICE = "stagely.test.Faults"
EXAMPLES: dict[type[StagelyError], StagelyError] = {
    type(example): example
    for example in (
        errors.InvalidArgumentError.of("name", "is required"),
        errors.NotFoundError("Team", "web"),
        errors.AlreadyExistsError("taken", resource_type="Team", resource_name="web"),
        errors.UnauthenticatedError("who are you"),
        errors.PermissionDeniedError("not you", reason="PERMISSION_MISSING"),
        errors.FailedPreconditionError("wrong state", subject="Team web"),
        errors.AbortedError("lost a race"),
        errors.ResourceExhaustedError("5 of 5", subject="Team web"),
        errors.OverloadedError("too much", retry_after_seconds=2.5),
        errors.DataLossError("does not authenticate"),
        errors.DeadlineExceededError("too slow"),
        errors.UnavailableError("away"),
        errors.DrainingError("token"),
    )
}
DETAILS = {
    errors.InvalidArgumentError: "BadRequest",
    errors.NotFoundError: "ResourceInfo",
    errors.AlreadyExistsError: "ResourceInfo",
    errors.FailedPreconditionError: "PreconditionFailure",
    errors.ResourceExhaustedError: "QuotaFailure",
    errors.OverloadedError: "RetryInfo",
    errors.UnavailableError: "RetryInfo",
    errors.DrainingError: "RetryInfo",
}


class Faults:
    """A service with one method of each call kind, which raises `error`."""

    def __init__(self) -> None:
        self.error: BaseException = RuntimeError()

    async def unary_unary(self, request: Empty, context: grpc.aio.ServicerContext[Any, Any]) -> Empty:
        raise self.error

    async def stream_unary(self, requests: AsyncIterator[Empty], context: grpc.aio.ServicerContext[Any, Any]) -> Empty:
        async for _ in requests:
            raise self.error
        return Empty()

    async def unary_stream(self, request: Empty, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Empty]:
        yield Empty()
        raise self.error

    async def stream_stream(
        self, requests: AsyncIterator[Empty], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Empty]:
        async for request in requests:
            yield request
            raise self.error


@pytest.fixture(scope="module")
def faults() -> Faults:
    return Faults()


@pytest.fixture(scope="module")
async def faulty(faults: Faults) -> AsyncIterator[grpc.aio.Channel]:
    """A client of the failing service, behind interceptors."""
    chain = ContextInterceptor(), AccessLogInterceptor(), ErrorInterceptor(), DecodingInterceptor()
    async with chained(handler_of(SERVICE, faults), *chain) as channel:
        yield channel


async def call(channel: grpc.aio.Channel, kind: str, request: bytes = b"", metadata: Any = None) -> None:
    """Call the method of a kind, and read its responses to the end."""
    multicallable = getattr(channel, kind)(f"/{SERVICE}/{kind}", bytes, Empty.FromString)
    calling = multicallable(request if kind.startswith("unary") else iter([request]), metadata=metadata)
    if kind.endswith("unary"):
        await calling
    else:
        async for _ in calling:
            pass


KINDS = pytest.mark.parametrize("kind", CALL_KINDS)


def test_every_error_has_a_status_an_example_and_a_reason() -> None:
    leaves = {
        cls
        for _, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, StagelyError) and "default_reason" in vars(cls)
    }

    assert set(STATUS_BY_ERROR) == leaves == set(EXAMPLES)
    for error in leaves:
        assert re.fullmatch(r"[A-Z][A-Z0-9_]+[A-Z0-9]", error.default_reason)


class Large(Notes):
    """Responds with messages that are larger than the server may send."""

    def _response(self, text: str) -> Any:
        return super()._response(text * 1000)


@pytest.mark.parametrize("form", [form for form in FORMS if form.streams_responses], ids=str)
async def test_too_large_response_of_a_stream_is_not_an_internal_error(form: Form) -> None:
    chain = ContextInterceptor(), AccessLogInterceptor(), ErrorInterceptor(), DecodingInterceptor()
    options = [("grpc.max_send_message_length", 100)]
    with capture_logs() as logs:
        async with chained(Large(form).handler(), *chain, options=options) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused_by_core:
                await texts_of(start_call(channel, form))
            await logged(logs, 1, event="call")

    assert refused_by_core.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not [log for log in logs if log["event"] == "internal error"]


@KINDS
@pytest.mark.parametrize("error", EXAMPLES.values(), ids=lambda error: type(error).__name__)
async def test_domain_error_has_its_code_and_details(
    faults: Faults, faulty: grpc.aio.Channel, kind: str, error: StagelyError
) -> None:
    faults.error = error

    with refused(STATUS_BY_ERROR[type(error)], reason=error.reason) as refusal:
        await call(faulty, kind)

    assert refusal.message == error.message
    assert set(refusal.details) == {"ErrorInfo", "RequestInfo", DETAILS.get(type(error), "ErrorInfo")}


async def test_violations_name_their_fields(faults: Faults, faulty: grpc.aio.Channel) -> None:
    violations = [errors.Violation("a", "is required"), errors.Violation("b.c", "is too long")]
    faults.error = errors.InvalidArgumentError(violations)

    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await call(faulty, "unary_unary")

    assert refusal.fields == {"a": "is required", "b.c": "is too long"}
    assert refusal.message == "a: is required; b.c: is too long"


async def test_retry_delay_is_in_the_error_details(faults: Faults, faulty: grpc.aio.Channel) -> None:
    faults.error = errors.OverloadedError("too much", retry_after_seconds=2.5)

    with refused(StatusCode.RESOURCE_EXHAUSTED) as refusal:
        await call(faulty, "unary_unary")

    assert refusal.details["RetryInfo"].retry_delay.ToMilliseconds() == 2500


@KINDS
async def test_other_errors_show_only_the_request_id(faults: Faults, faulty: grpc.aio.Channel, kind: str) -> None:
    faults.error = ZeroDivisionError("only for the log")

    with structlog.testing.capture_logs() as logs, refused(StatusCode.INTERNAL, reason="INTERNAL") as refusal:
        await call(faulty, kind, metadata=[("x-request-id", "the-request")])

    assert refusal.message == "internal error, request id the-request"
    assert [log["request_id"] for log in logs if log["event"] == "internal error"] == ["the-request"]


@KINDS
async def test_malformed_bytes_are_an_invalid_argument(faults: Faults, faulty: grpc.aio.Channel, kind: str) -> None:
    faults.error = RuntimeError("must not be reached")

    with refused(StatusCode.INVALID_ARGUMENT, reason="MALFORMED_REQUEST") as refusal:
        await call(faulty, kind, request=b"\xff\xff\xff\xff")

    assert refusal.message == "the request is not a valid google.protobuf.Empty"


async def request_ids(call_: Callable[[], Any]) -> tuple[Refusal, list[EventDict]]:
    with structlog.testing.capture_logs() as logs:
        with refused(StatusCode.ABORTED) as refusal:
            await call_()
        return refusal, await logged(logs, 1, event="call")


async def test_request_id_of_the_caller_is_returned_and_logged(faults: Faults, faulty: grpc.aio.Channel) -> None:
    faults.error = errors.AbortedError("lost")

    refusal, logs = await request_ids(lambda: call(faulty, "unary_unary", metadata=[("x-request-id", "mine-1")]))

    assert refusal.request_id == "mine-1"
    assert [log["request_id"] for log in logs] == ["mine-1"]


@pytest.mark.parametrize("sent", ["", "x" * 129, "two words", 'quote"', "semi;colon"])
async def test_request_id_that_could_break_a_log_is_replaced(
    faults: Faults, faulty: grpc.aio.Channel, sent: str
) -> None:
    faults.error = errors.AbortedError("lost")

    refusal, _ = await request_ids(lambda: call(faulty, "unary_unary", metadata=[("x-request-id", sent)]))

    assert uuid.UUID(refusal.request_id)


@KINDS
async def test_call_is_logged_with_its_code(faults: Faults, faulty: grpc.aio.Channel, kind: str) -> None:
    faults.error = errors.AbortedError("lost")

    _, logs = await request_ids(lambda: call(faulty, kind))

    assert len(logs) == 1
    assert logs[0]["method"] == f"/{SERVICE}/{kind}"
    assert logs[0]["code"] == "ABORTED"
    assert logs[0]["duration_ms"] > 0
    assert logs[0]["peer"].startswith("ipv4:127.0.0.1:")
    assert logs[0]["log_level"] == "info"


async def test_unknown_method_is_unimplemented(faulty: grpc.aio.Channel) -> None:
    unknown = faulty.unary_unary(f"/{SERVICE}/Nothing", bytes, bytes)

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await unknown(b"")

    assert error.value.code() is StatusCode.UNIMPLEMENTED
