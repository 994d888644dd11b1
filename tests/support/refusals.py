from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

DETAIL_TYPES = {
    detail.DESCRIPTOR.full_name: detail
    for detail in (
        error_details_pb2.BadRequest,
        error_details_pb2.ErrorInfo,
        error_details_pb2.PreconditionFailure,
        error_details_pb2.QuotaFailure,
        error_details_pb2.RequestInfo,
        error_details_pb2.ResourceInfo,
        error_details_pb2.RetryInfo,
    )
}


@dataclass
class Refusal:
    """The status that a caller received. `refused` fills it in when its block ends."""

    code: grpc.StatusCode = grpc.StatusCode.OK
    message: str = ""
    reason: str = ""
    request_id: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)


def refusal_of(error: grpc.aio.AioRpcError) -> Refusal:
    metadata = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    refusal = Refusal(code=error.code(), message=status.message)
    for packed in status.details:
        detail = DETAIL_TYPES[packed.TypeName()]()
        packed.Unpack(detail)
        refusal.details[packed.TypeName().removeprefix("google.rpc.")] = detail
    info = refusal.details["ErrorInfo"]
    assert info.domain == "stagely.dev"
    refusal.reason = info.reason
    refusal.request_id = refusal.details["RequestInfo"].request_id
    if "BadRequest" in refusal.details:
        refusal.fields = {v.field: v.description for v in refusal.details["BadRequest"].field_violations}
    return refusal


@contextmanager
def refused(code: grpc.StatusCode, *, reason: str | None = None, field: str | None = None) -> Iterator[Refusal]:
    """Expect that the call in the block fails with a code and, if given, a reason and a violation of a field."""
    refusal = Refusal()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        yield refusal
    refusal.__dict__.update(refusal_of(caught.value).__dict__)
    assert refusal.code is code, refusal
    assert reason is None or refusal.reason == reason, refusal
    assert field is None or field in refusal.fields, refusal
