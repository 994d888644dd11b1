"""Health (grpc.health.v1). A prober, which shares no connection with calls, checks what the service needs."""

from __future__ import annotations

from stagely_rpc.health.causes import Cause, Probe, UnhealthyError, all_of
from stagely_rpc.health.database import DatabaseCheck, DatabaseProbe, check_revision, schema_check
from stagely_rpc.health.health_servicer import LIVENESS, HealthServicer
from stagely_rpc.health.pool import pool_probe
from stagely_rpc.health.prober import Prober

__all__ = [
    "LIVENESS",
    "Cause",
    "DatabaseCheck",
    "DatabaseProbe",
    "HealthServicer",
    "Probe",
    "Prober",
    "UnhealthyError",
    "all_of",
    "check_revision",
    "pool_probe",
    "schema_check",
]
