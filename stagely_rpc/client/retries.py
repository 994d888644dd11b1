"""The service config of a channel (gRFC A2): load balancing and retries.

gRPC retries unary calls, and streams before their first response.

- UNAVAILABLE is retried for every RPC that is safe to retry: it only reads, or has a `request_id`.
- CANCELLED is retried too. gRPC's core on the server returns it for shed calls, and for calls that arrive between the
  start of a stop and the moment when the client learns of it. A call that this client cancels is not retried.
- ABORTED is retried if it can only be a deadlock or a lost race, which have no effect. It is not retried if the request
  has an etag, because a stale etag is ABORTED too, and the caller must read again.
- RESOURCE_EXHAUSTED is not retried: retries add load, and a quota stays exhausted.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import MethodOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

BACKOFF = {"maxAttempts": 5, "initialBackoff": "0.2s", "maxBackoff": "2s", "backoffMultiplier": 2}

# Retry throttling (gRFC A6): no retries when half of the tokens are used up, so that a failing service gets less load.
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
    """Return whether an RPC is safe to retry."""
    if method.GetOptions().idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN:
        return True
    # The service recognizes a retry of a single request, and not of a stream of requests.
    return "request_id" in method.input_type.fields_by_name and not method.client_streaming


def retried_codes(method: MethodDescriptor) -> list[str]:
    """Return the codes after which a call is retried."""
    always = ["UNAVAILABLE", "CANCELLED"]
    return always if "etag" in method.input_type.fields_by_name else [*always, "ABORTED"]


def _method_config(method: MethodDescriptor) -> dict[str, Any]:
    return {
        "name": [{"service": method.containing_service.full_name, "method": method.name}],
        "retryPolicy": {**BACKOFF, "retryableStatusCodes": retried_codes(method)},
    }
