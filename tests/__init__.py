"""The suite. It mirrors stagely_rpc, beside tests/e2e, tests/migrations, tests/bad_input and tests/contract."""

from __future__ import annotations

import os

# Some tests start processes from one in which gRPC runs. Its handlers of fork, meant for children that go on using
# gRPC, may crash those before they exec; with them off, gRPC is simply not touched between the two.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
