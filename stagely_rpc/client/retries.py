"""The service config of a channel (gRFC A2): load balancing, and which calls are sent again after which codes.

gRPC repeats calls by itself, a stream before its first response too.

- UNAVAILABLE is retried for every RPC that may be repeated: one that only reads, or whose `request_id` lets the service
  recognize the repetition.
- CANCELLED is retried as well. A server of gRPC's core answers it when it sheds a call, and to calls that arrive
  between the beginning of its stop and the moment in which the client learns of it. A call that is cancelled here is
  not sent again.
- ABORTED is retried where it can only be a deadlock or a lost race, which leave nothing behind. Where the request has
  an etag, it is not: a stale etag is ABORTED too, and stays stale, so the caller has to read again.
- RESOURCE_EXHAUSTED is not retried: more calls are no help against too much load, and a quota does not pass.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import MethodOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

BACKOFF = {"maxAttempts": 5, "initialBackoff": "0.2s", "maxBackoff": "2s", "backoffMultiplier": 2}

# Retries must not add load to a service that fails (gRFC A6): when half of the tokens are used up, there are none.
THROTTLING = {"maxTokens": 100, "tokenRatio": 0.5}


def service_config(services: Iterable[ServiceDescriptor]) -> str:
    """Return the service config, as JSON, for the RPCs of the contract."""
    methods = [method for service in services for method in service.methods]
    return json.dumps(
        {
            "loadBalancingConfig": [{"round_robin": {}}],
            "methodConfig": [_method_config(method) for method in methods if may_be_repeated(method)],
            "retryThrottling": THROTTLING,
        }
    )


def may_be_repeated(method: MethodDescriptor) -> bool:
    """Tell whether a call that is sent twice does no more than one that is sent once."""
    if method.GetOptions().idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN:
        return True
    # The service recognizes the repetition of one request, and not of a stream of them.
    return "request_id" in method.input_type.fields_by_name and not method.client_streaming


def retried_codes(method: MethodDescriptor) -> list[str]:
    """Return the codes after which a call is sent again."""
    always = ["UNAVAILABLE", "CANCELLED"]
    return always if "etag" in method.input_type.fields_by_name else [*always, "ABORTED"]


def _method_config(method: MethodDescriptor) -> dict[str, Any]:
    return {
        "name": [{"service": method.containing_service.full_name, "method": method.name}],
        "retryPolicy": {**BACKOFF, "retryableStatusCodes": retried_codes(method)},
    }
