"""Generate gen/ from protos/, or check that it is what would be generated."""

from __future__ import annotations

import filecmp
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
GENERATED = ROOT / "gen"


def generate(directory: Path) -> None:
    """Write the messages, the stubs and their types; what stood there before is gone."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    outputs = [f"--{plugin}_out={directory}" for plugin in ("python", "grpc_python")]
    outputs += [f"--{plugin}_out=quiet:{directory}" for plugin in ("mypy", "mypy_grpc")]
    outputs += [f"--plugin={Path(sys.executable).with_name(f'protoc-gen-{name}')}" for name in ("mypy", "mypy_grpc")]
    sources = sorted(str(path) for path in PROTOS.rglob("*.proto"))
    well_known = files("grpc_tools") / "_proto"
    if protoc.main(["protoc", f"-I{PROTOS}", f"-I{well_known}", *outputs, *sources]) != 0:
        sys.exit("protoc failed")
    (directory / "stagely" / "py.typed").touch()


def stale_files() -> list[str]:
    """Return the files of gen/ that are missing, too many, or not what the protos say."""
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch) / "gen"
        generate(fresh)
        names = {path.relative_to(tree) for tree in (fresh, GENERATED) for path in tree.rglob("*") if _is_source(path)}
        return sorted(str(name) for name in names if not _same(fresh / name, GENERATED / name))


def _is_source(path: Path) -> bool:
    return path.is_file() and path.suffix != ".pyc"


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and filecmp.cmp(one, other, shallow=False)


if __name__ == "__main__":
    if "--check" not in sys.argv:
        generate(GENERATED)
    elif stale := stale_files():
        sys.exit(f"gen/ is stale, run `make generate`: {', '.join(stale)}")
