"""Generate the files that are made from protos/ and from the code. With --check, only report the stale ones."""

from __future__ import annotations

import filecmp
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from grpc_tools import protoc

from tools import metrics_page, row_classes, settings_page, settings_schema
from tools.client.generate import generate_services
from tools.contract import read_contract
from tools.reference.generate import generate_pages

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
WELL_KNOWN = Path(str(files("grpc_tools") / "_proto"))


def generate_contract(directory: Path) -> None:
    """Write the message classes, the stubs and their type stubs."""
    outputs = [f"--{plugin}_out={directory}" for plugin in ("python", "grpc_python")]
    outputs += [f"--{plugin}_out=quiet:{directory}" for plugin in ("mypy", "mypy_grpc")]
    outputs += [f"--plugin={Path(sys.executable).with_name(f'protoc-gen-{name}')}" for name in ("mypy", "mypy_grpc")]
    compile_protos(outputs)
    (directory / "stagely" / "py.typed").touch()


def generate_client(directory: Path) -> None:
    """Write the client's services."""
    generate_services(read_contract(compiled_files()), directory)


def generate_reference(directory: Path) -> None:
    """Write the pages of the API reference."""
    generate_pages(read_contract(compiled_files()), directory)


GENERATED = {
    ROOT / "gen": generate_contract,
    ROOT / "stagely_rpc" / "client" / "services": generate_client,
    ROOT / "docs" / "reference": generate_reference,
}
PAGES = {
    ROOT / "docs" / "metrics.md": metrics_page.page,
    ROOT / "docs" / "settings.md": settings_page.page,
    ROOT / "docs" / "settings.schema.json": settings_schema.text,
    ROOT / "stagely_rpc" / "db" / "models" / "rows.py": row_classes.text,
}


def compiled_files() -> bytes:
    """Compile the contract; return a serialized FileDescriptorSet with imports and source info."""
    with tempfile.NamedTemporaryFile(suffix=".binpb") as compiled:
        compile_protos(["--include_imports", "--include_source_info", f"--descriptor_set_out={compiled.name}"])
        return Path(compiled.name).read_bytes()


def compile_protos(options: list[str]) -> None:
    """Run protoc over the contract."""
    sources = sorted(str(path) for path in PROTOS.rglob("*.proto"))
    if protoc.main(["protoc", f"-I{PROTOS}", f"-I{WELL_KNOWN}", *options, *sources]) != 0:
        sys.exit("protoc failed")


def generate(paths: Iterable[Path]) -> None:
    """Write directories and pages. Delete the previous content of the directories."""
    for path in paths:
        if path in PAGES:
            path.write_text(PAGES[path]())
            continue
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        GENERATED[path](path)


def stale_files() -> list[str]:
    """Return the files that are missing, superfluous or out of date."""
    pages = [path for path, text in PAGES.items() if not path.exists() or path.read_text() != text()]
    return [str(path.relative_to(ROOT)) for path in (*(each for tree in GENERATED for each in _stale(tree)), *pages)]


def _stale(directory: Path) -> list[Path]:
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        GENERATED[directory](fresh)
        names = {path.relative_to(tree) for tree in (fresh, directory) for path in tree.rglob("*") if _is_source(path)}
        return sorted(directory / name for name in names if not _same(fresh / name, directory / name))


def _is_source(path: Path) -> bool:
    return path.is_file() and path.suffix != ".pyc"


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and filecmp.cmp(one, other, shallow=False)


if __name__ == "__main__":
    if "--check" not in sys.argv:
        only = [ROOT / name for name in sys.argv[1:]]
        generate(only or [*GENERATED, *PAGES])
    elif stale := stale_files():
        sys.exit(f"stale, run `make generate`: {', '.join(stale)}")
