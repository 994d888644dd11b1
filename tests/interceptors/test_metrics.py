from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from prometheus_client import CollectorRegistry

from stagely_rpc.errors import AbortedError, NotFoundError
from stagely_rpc.interceptors.context import ContextInterceptor
from stagely_rpc.interceptors.errors import ErrorInterceptor
from stagely_rpc.interceptors.metrics import MetricsInterceptor
from stagely_rpc.interceptors.rerun import MAX_RETRIES, RerunInterceptor
from stagely_rpc.telemetry.metrics.metrics import UNKNOWN_METHOD, Metrics
from tests.support.chained import CALL_KINDS, WaitingServicer, chained, handler_of
from tests.support.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SERVICE = "stagely.test.Waiting"
KINDS = pytest.mark.parametrize("kind", CALL_KINDS)


@pytest.fixture
def servicer() -> WaitingServicer:
    servicer = WaitingServicer()
    servicer.may_end.set()
    return servicer


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry)


@pytest.fixture
async def channel(servicer: WaitingServicer, metrics: Metrics) -> AsyncIterator[grpc.aio.Channel]:
    chain = ContextInterceptor(), MetricsInterceptor(metrics), ErrorInterceptor()
    async with chained(handler_of(SERVICE, servicer), *chain) as channel:
        yield channel


def start(channel: grpc.aio.Channel, kind: str) -> Any:
    """Start a call of the method of a kind."""
    method = getattr(channel, kind)(f"/{SERVICE}/{kind}", Empty.SerializeToString, Empty.FromString)
    return method(Empty() if kind.startswith("unary") else iter([Empty()]))


async def code_of(call: Any) -> grpc.StatusCode:
    """Read the responses of a call to their end, and return the code."""
    try:
        if hasattr(call, "__aiter__"):
            async for _ in call:
                pass
        else:
            await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def counted(registry: CollectorRegistry, kind: str, code: grpc.StatusCode) -> float | None:
    return registry.get_sample_value("stagely_rpc_calls_total", {"method": f"{SERVICE}/{kind}", "code": code.name})


async def expect_counted(metrics: Metrics, kind: str, code: grpc.StatusCode) -> None:
    """Expect that exactly one call has ended, with this code, and that none is in progress."""

    registry = metrics.registry
    assert registry is not None

    async def is_counted() -> bool:
        return (counted(registry, kind, code), metrics.in_flight) == (1, 0)

    await eventually(is_counted, expected=True)
    assert sum(counted(registry, kind, each) or 0 for each in grpc.StatusCode) == 1
    assert registry.get_sample_value("stagely_rpc_call_seconds_count", {"method": f"{SERVICE}/{kind}"}) == 1


@KINDS
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, grpc.StatusCode.OK),
        (NotFoundError("Team", "web"), grpc.StatusCode.NOT_FOUND),
        (ZeroDivisionError(), grpc.StatusCode.INTERNAL),
    ],
)
async def test_call_is_counted_with_the_code_that_its_caller_gets(
    channel: grpc.aio.Channel,
    metrics: Metrics,
    servicer: WaitingServicer,
    kind: str,
    error: Exception | None,
    code: grpc.StatusCode,
) -> None:
    servicer.error = error

    assert await code_of(start(channel, kind)) is code

    await expect_counted(metrics, kind, code)


@KINDS
async def test_cancelled_call_is_counted_as_cancelled(
    channel: grpc.aio.Channel, metrics: Metrics, servicer: WaitingServicer, kind: str
) -> None:
    servicer.may_end.clear()
    call = start(channel, kind)

    async def is_in_progress() -> bool:
        return metrics.in_flight == 1

    await eventually(is_in_progress, expected=True)
    call.cancel()

    await expect_counted(metrics, kind, grpc.StatusCode.CANCELLED)


async def test_unknown_method_names_do_not_become_labels(
    channel: grpc.aio.Channel, registry: CollectorRegistry
) -> None:
    for number in range(3):
        method: Any = channel.unary_unary(f"/made.up.Service/Method{number}")
        assert await code_of(method(b"")) is grpc.StatusCode.UNIMPLEMENTED

    labels = {"method": UNKNOWN_METHOD, "code": "UNIMPLEMENTED"}
    assert registry.get_sample_value("stagely_rpc_calls_total", labels) == 3
    assert not any("made" in sample.labels.get("method", "") for each in registry.collect() for sample in each.samples)


async def test_every_rerun_of_a_call_is_counted(
    metrics: Metrics, registry: CollectorRegistry, servicer: WaitingServicer
) -> None:
    servicer.error = AbortedError("lost", may_run_again=True)
    method = f"/{SERVICE}/unary_unary"
    chain = ContextInterceptor(), ErrorInterceptor(), RerunInterceptor([method], metrics.count_retry)

    async with chained(handler_of(SERVICE, servicer), *chain) as channel:
        assert await code_of(start(channel, "unary_unary")) is grpc.StatusCode.ABORTED

    labels = {"method": f"{SERVICE}/unary_unary"}
    assert registry.get_sample_value("stagely_rpc_call_retries_total", labels) == MAX_RETRIES
