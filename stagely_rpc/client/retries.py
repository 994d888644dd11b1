"""The service config of a channel (gRFC A2): load balancing, and which calls are sent again after which codes.

gRPC repeats calls by itself. UNAVAILABLE is retried for every RPC that may be repeated: what only reads, and what
carries a `request_id`, by which the service knows the repetition. So is CANCELLED, by which a server of gRPC's core
answers what it sheds, and what arrives between the moment in which it begins to stop and the one in which the client
hears of it; who cancels a call here sends nothing again. ABORTED is retried where it can only be a deadlock or a lost
race, of which nothing remains. Where the request has an etag it is not: a stale etag is ABORTED too, and stays stale;
whoever read too long ago has to read again. RESOURCE_EXHAUSTED is not retried: more calls are no help against too much
load, and a quota does not pass.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import MethodOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

BACKOFF = {"maxAttempts": 5, "initialBackoff": "0.2s", "maxBackoff": "2s", "backoffMultiplier": 2}

# A service that fails is not made to fail harder (gRFC A6): when half of the tokens are used up, nothing is retried.
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
    level = method.GetOptions().idempotency_level
    return level != MethodOptions.IDEMPOTENCY_UNKNOWN or "request_id" in method.input_type.fields_by_name


def retried_codes(method: MethodDescriptor) -> list[str]:
    """Return the codes after which a call is sent again."""
    always = ["UNAVAILABLE", "CANCELLED"]
    return always if "etag" in method.input_type.fields_by_name else [*always, "ABORTED"]


def _method_config(method: MethodDescriptor) -> dict[str, Any]:
    return {
        "name": [{"service": method.containing_service.full_name, "method": method.name}],
        "retryPolicy": {**BACKOFF, "retryableStatusCodes": retried_codes(method)},
    }
