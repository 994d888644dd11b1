from __future__ import annotations

import re
from pathlib import Path

import grpc

from stagely_rpc.interceptors.errors import STATUS_BY_ERROR

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
CALLERS = (ROOT / "docs" / "callers.md").read_text()


def test_every_status_code_is_in_the_table() -> None:
    documented = set(re.findall(r"^\| ([A-Z_]+) \|", CALLERS, re.MULTILINE))

    assert documented == {code.name for code in STATUS_BY_ERROR.values()} | {grpc.StatusCode.INTERNAL.name}


def test_every_package_is_in_the_readme() -> None:
    packages = {path.name for path in (ROOT / "stagely_rpc").iterdir() if not path.name.startswith(("__", "py.typed"))}

    assert {package for package in packages if package not in README} == set()


def test_every_make_target_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE))

    unexplained = {target for target in targets if not re.search(rf"^{target}:.*## \S", makefile, re.MULTILINE)}

    assert unexplained == {"check-contract", "check-generated", "check-schema", "check-lock"}
