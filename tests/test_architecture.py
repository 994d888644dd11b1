"""Rules of the layout that import-linter's contracts in pyproject.toml can't express."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import grimp

import stagely_rpc
from tests.support.markers import EXTERNAL, ROOT, SLOW

SLICES = {path.parent.name for path in Path(stagely_rpc.__file__).parent.glob("*/servicer.py")}
TESTS = ROOT / "tests"
OFFERED = {"service", "inputs", "envelope", "derivation"}


def test_slices_import_only_the_public_modules_of_other_slices() -> None:
    graph = grimp.build_graph("stagely_rpc")

    violations = {
        f"{importer} imports {imported}"
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
        if _slice(importer) and _slice(imported) and _slice(importer) != _slice(imported)
        if imported.rpartition(".")[2] not in OFFERED
    }

    assert len(SLICES) == 9
    assert violations == set()


def _slice(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in SLICES else None


def test_only_test_modules_are_outside_the_support_folder() -> None:
    files = {path.relative_to(TESTS) for path in TESTS.rglob("*.py") if not path.is_relative_to(TESTS / "support")}

    assert {file for file in files if not re.fullmatch(r"test_\w+|conftest|__init__", file.stem)} == set()


def test_no_test_module_imports_another() -> None:
    importing = re.compile(r"^\s*from tests\.(?!support)\S+ import", re.MULTILINE)

    assert {path.name for path in TESTS.rglob("*.py") if importing.search(path.read_text())} == set()


def test_every_file_with_a_marker_exists() -> None:
    assert {name for name in (*EXTERNAL, *SLOW) if not (ROOT / name).exists()} == set()


def test_command_line_imports_heavy_modules_only_when_a_command_runs() -> None:
    heavy = {"alembic", "grpc", "psycopg", "pydantic", "sqlalchemy", "structlog"}
    program = "import sys, stagely_rpc.cli.app; print(*sys.modules)"

    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert heavy & set(imported.split()) == set()
