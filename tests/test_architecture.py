"""What import-linter's contracts, in pyproject.toml, can't say of the house plan."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import grimp

import stagely_rpc

SLICES = {path.parent.name for path in Path(stagely_rpc.__file__).parent.glob("*/servicer.py")}
OFFERED = {"service", "inputs", "envelope", "derivation"}


def test_of_another_slice_only_the_service_and_what_it_takes_are_used() -> None:
    graph = grimp.build_graph("stagely_rpc")

    trespasses = {
        f"{importer} imports {imported}"
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
        if _slice(importer) and _slice(imported) and _slice(importer) != _slice(imported)
        if imported.rpartition(".")[2] not in OFFERED
    }

    assert len(SLICES) == 9
    assert trespasses == set()


def _slice(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in SLICES else None


def test_command_line_imports_what_a_command_needs_when_it_runs() -> None:
    heavy = {"alembic", "grpc", "psycopg", "pydantic", "sqlalchemy", "structlog"}
    program = "import sys, stagely_rpc.cli.app; print(*sys.modules)"

    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert heavy & set(imported.split()) == set()
