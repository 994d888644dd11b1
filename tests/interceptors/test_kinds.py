"""Tests every interceptor of the chain with every kind of RPC."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from stagely_rpc.db.idempotency import AlreadyAnsweredError
from stagely_rpc.draining import Draining
from stagely_rpc.errors import AbortedError, NotFoundError
from stagely_rpc.identity.authentication import Authenticator
from stagely_rpc.interceptors.access_log import AccessLogInterceptor
from stagely_rpc.interceptors.admission import Admission
from stagely_rpc.interceptors.auth import AuthInterceptor
from stagely_rpc.interceptors.concurrency import ConcurrencyInterceptor
from stagely_rpc.interceptors.context import ContextInterceptor
from stagely_rpc.interceptors.deadline import DeadlineInterceptor
from stagely_rpc.interceptors.decoding import DecodingInterceptor
from stagely_rpc.interceptors.draining import DrainingInterceptor
from stagely_rpc.interceptors.errors import ErrorInterceptor
from stagely_rpc.interceptors.idempotency import IdempotencyInterceptor
from stagely_rpc.interceptors.metrics import MetricsInterceptor
from stagely_rpc.interceptors.rerun import RerunInterceptor
from stagely_rpc.interceptors.tracing import TracingInterceptor
from stagely_rpc.server.chain import ChainParts, build_chain
from stagely_rpc.server.wiring import build_database, build_denials
from stagely_rpc.telemetry.metrics.metrics import Metrics
from stagely_rpc.telemetry.traces.exporter import Tracing
from tests.support.chained import chained
from tests.support.eventually import eventually, logged
from tests.support.forms import FORMS, Form, Notes, StartedCall, expected, start_call, texts_of
from tests.support.notes import PATHS, message_class
from tests.support.refusals import refused
from tests.support.rpc import settings_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from stagely_rpc.db.audit_entries import Entry

    Check = Callable[[Form], Awaitable[None]]

SOON_SECONDS = 0.3
NOWHERE = "postgresql://nowhere/stagely"


@asynccontextmanager
async def behind(notes: Notes, *interceptors: grpc.aio.ServerInterceptor) -> AsyncIterator[grpc.aio.Channel]:
    """Serve a form behind the context interceptor, the error interceptor and these interceptors, in this order."""
    chain = ContextInterceptor(), ErrorInterceptor(), *interceptors
    async with chained(notes.handler(), *chain) as channel:
        yield channel


async def context_gives_each_call_a_request_id(form: Form) -> None:
    async with chained(Notes(form).handler(), ContextInterceptor()) as channel:
        call = start_call(channel, form)

        assert await texts_of(call) == expected(form)
        assert dict(await call.trailing_metadata())["x-request-id"]


async def tracing_creates_one_span(form: Form) -> None:
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))

    async with behind(Notes(form), TracingInterceptor(provider.get_tracer("test"))) as channel:
        assert await texts_of(start_call(channel, form)) == expected(form)

        async def codes() -> list[Any]:
            return [(span.attributes or {})["rpc.grpc.status_code"] for span in spans.get_finished_spans()]

        await eventually(codes, expected=[0])


async def metrics_count_the_call(form: Form) -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)

    async with behind(Notes(form), MetricsInterceptor(metrics)) as channel:
        assert await texts_of(start_call(channel, form)) == expected(form)

        async def counted() -> tuple[Any, int]:
            labels = {"method": form.path.removeprefix("/"), "code": "OK"}
            return registry.get_sample_value("stagely_rpc_calls_total", labels), metrics.in_flight

        await eventually(counted, (1, 0))


async def access_log_has_one_line(form: Form) -> None:
    with capture_logs() as logs:
        async with behind(Notes(form), AccessLogInterceptor()) as channel:
            assert await texts_of(start_call(channel, form)) == expected(form)
            await logged(logs, 1, event="call", method=form.path, code="OK")


async def errors_become_codes_after_the_last_message(form: Form) -> None:
    async def fail() -> None:
        raise NotFoundError("Note", "one")

    async with behind(Notes(form, last=fail)) as channel:
        with refused(grpc.StatusCode.NOT_FOUND, reason="RESOURCE_NOT_FOUND"):
            await texts_of(start_call(channel, form))


async def concurrency_limits_calls_and_streams_separately(form: Form) -> None:
    may_continue = asyncio.Event()
    notes, limits = Notes(form, first=waiting(may_continue)), ConcurrencyInterceptor(1, 1, PATHS.values())
    other = FORMS[1] if form.rpc == "GetNote" else FORMS[0]
    async with behind(notes, limits) as channel, behind(Notes(other), limits) as second:
        call = start_call(channel, form)
        await expect_runs(notes, 1)

        reason = "TOO_MANY_STREAMS" if form.is_stream else "TOO_MANY_CALLS"
        with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, reason=reason) as refusal:
            await texts_of(start_call(channel, form))
        assert await texts_of(start_call(second, other)) == expected(other)
        may_continue.set()

        assert await texts_of(call) == expected(form)
        assert await texts_of(start_call(channel, form)) == expected(form)
        assert refusal.details["RetryInfo"].retry_delay.seconds == 1


async def deadline_ends_only_unary_calls(form: Form) -> None:
    async def take_long() -> None:
        await asyncio.sleep(2 * SOON_SECONDS)

    async with behind(Notes(form, last=take_long), DeadlineInterceptor(SOON_SECONDS)) as channel:
        call = start_call(channel, form, seconds=None)
        if form.is_stream:
            assert await texts_of(call) == expected(form)
        else:
            with refused(grpc.StatusCode.DEADLINE_EXCEEDED, reason="DEFAULT_DEADLINE_EXCEEDED"):
                await texts_of(call)


async def draining_ends_only_streams(form: Form) -> None:
    may_continue, draining = asyncio.Event(), Draining()
    notes = Notes(form, last=waiting(may_continue))
    async with behind(notes, DrainingInterceptor(draining, PATHS.values())) as channel:
        reading = asyncio.ensure_future(texts_of(start_call(channel, form)))
        await expect_runs(notes, 1)
        await asyncio.sleep(SOON_SECONDS)
        draining.begin()

        if form.is_stream:
            with refused(grpc.StatusCode.UNAVAILABLE, reason="SERVER_DRAINING") as refusal:
                await reading
            token = refusal.details["ErrorInfo"].metadata.get("resume_token")
            assert token == ("after two" if form.streams_responses else None)
            assert refusal.details["RetryInfo"].retry_delay.ToMilliseconds() > 0
        else:
            may_continue.set()
            assert await reading == expected(form)


async def auth_denies_before_the_handler_runs(form: Form) -> None:
    notes, recorded = Notes(form), Denials()
    admission = Admission(Authenticator(None, None, None), build_database(settings_of(NOWHERE), None, None))
    async with behind(notes, AuthInterceptor(admission, {}, (), recorded)) as channel:
        with refused(grpc.StatusCode.PERMISSION_DENIED, reason="POLICY_MISSING"):
            await texts_of(start_call(channel, form))

    assert (notes.runs, len(recorded.entries)) == (0, 1)


async def decoding_refuses_malformed_bytes(form: Form) -> None:
    async with behind(Notes(form), DecodingInterceptor()) as channel:
        assert await texts_of(start_call(channel, form)) == expected(form)

        raw: Any = getattr(channel, form.kind)(form.path)
        malformed = b"\x0a\x05no"
        with refused(grpc.StatusCode.INVALID_ARGUMENT, reason="MALFORMED_REQUEST"):
            await texts_of(
                StartedCall(raw(timeout=20), [malformed]) if form.streams_requests else raw(malformed, timeout=20)
            )


async def idempotency_returns_the_stored_response_except_for_streamed_requests(form: Form) -> None:
    stored = message_class(f"{form.rpc}Response")(text="stored")

    async def answered() -> None:
        raise AlreadyAnsweredError(stored.SerializeToString())

    responses = {form.path: type(stored)}
    async with behind(Notes(form, first=answered), IdempotencyInterceptor(responses)) as channel:
        call = start_call(channel, form, request_id=str(uuid.uuid4()))
        if form.streams_requests:
            with refused(grpc.StatusCode.INTERNAL):
                await texts_of(call)
        else:
            assert await texts_of(call) == ["stored"]


async def rerun_repeats_unless_a_message_of_a_stream_has_passed(form: Form) -> None:
    lost = Loses(1)
    async with behind(Notes(form, first=lost), RerunInterceptor([form.path])) as channel:
        assert await texts_of(start_call(channel, form)) == expected(form)

    notes = Notes(form, last=Loses(1))
    async with behind(notes, RerunInterceptor([form.path])) as channel:
        if form.is_stream:
            with refused(grpc.StatusCode.ABORTED):
                await texts_of(start_call(channel, form))
        else:
            assert await texts_of(start_call(channel, form)) == expected(form)

    assert notes.runs == (1 if form.is_stream else 2)


CHECKS: dict[type, Check] = {
    ContextInterceptor: context_gives_each_call_a_request_id,
    TracingInterceptor: tracing_creates_one_span,
    MetricsInterceptor: metrics_count_the_call,
    AccessLogInterceptor: access_log_has_one_line,
    ErrorInterceptor: errors_become_codes_after_the_last_message,
    ConcurrencyInterceptor: concurrency_limits_calls_and_streams_separately,
    DeadlineInterceptor: deadline_ends_only_unary_calls,
    DrainingInterceptor: draining_ends_only_streams,
    AuthInterceptor: auth_denies_before_the_handler_runs,
    DecodingInterceptor: decoding_refuses_malformed_bytes,
    IdempotencyInterceptor: idempotency_returns_the_stored_response_except_for_streamed_requests,
    RerunInterceptor: rerun_repeats_unless_a_message_of_a_stream_has_passed,
}


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("check", CHECKS.values(), ids=lambda check: check.__name__)
async def test_interceptor_works_for_every_kind_of_call(check: Check, form: Form) -> None:
    await check(form)


async def test_every_interceptor_of_the_chain_is_checked() -> None:
    settings = settings_of(NOWHERE)
    db, tracing = build_database(settings, None, None), Tracing("http://127.0.0.1:1")
    denials, metrics = build_denials(db, None), Metrics(CollectorRegistry())
    parts = ChainParts(db, Authenticator(None, None, None), denials, Draining(), metrics, tracing)

    chain = build_chain(settings, parts)

    assert [type(interceptor) for interceptor in chain] == list(CHECKS)
    await tracing.stop()


def waiting(event: asyncio.Event) -> Callable[[], Awaitable[None]]:
    async def wait() -> None:
        await event.wait()

    return wait


async def expect_runs(notes: Notes, count: int) -> None:
    async def runs() -> int:
        return notes.runs

    await eventually(runs, count)


class Denials:
    """Stores denials."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def note(self, entry: Entry) -> None:
        self.entries.append(entry)


class Loses:
    """Loses a race a number of times, then succeeds."""

    def __init__(self, times: int) -> None:
        self._left = times

    async def __call__(self) -> None:
        if self._left:
            self._left -= 1
            raise AbortedError("lost", may_run_again=True)
