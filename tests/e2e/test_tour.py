"""Runs the commands of the README's tour and of the page for callers, unchanged."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes.service import ROOT, STAGELY_RPC, environment, serving, settings_for

# Translates the grpcurl commands of the tour for `buf curl`.
BUF_AS_GRPCURL = """#!/usr/bin/env bash
set -eu
[ "$1" = -plaintext ]; shift
message={}
flags=(--http2-prior-knowledge --protocol grpc --reflect-protocol grpc-v1alpha)
while true; do
    case "$1" in
        -d) message=$2; shift 2 ;;
        -H) flags+=(--header "$2"); shift 2 ;;
        *) break ;;
    esac
done
address=$1; shift
case "$1" in
    list) exec "$BUF" curl "${flags[@]}" --list-services "http://$address" ;;
    describe) exec "$BUF" curl "${flags[@]}" --list-methods "http://$address" ;;
    *) exec "$BUF" curl "${flags[@]}" --data "$message" "http://$address/$1" ;;
esac
"""


def lines_of(name: str) -> str:
    """Return the commands below the comment of this name, in the README or in the page for callers."""
    pages = [(ROOT / page).read_text() for page in ("README.md", "docs/callers.md")]
    found = re.search(rf"<!-- {name}:.*?-->\n```sh\n(.*?)```", "".join(pages), re.DOTALL)
    assert found is not None
    return found[1]


def pasted(lines: str, client_path: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run lines in a shell that ends at the first failing command."""
    return subprocess.run(
        ["bash", "-euo", "pipefail"],
        input=lines,
        env=environment(PATH=client_path, BUF=str(Path(sys.executable).with_name("buf"))),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.fixture(params=["grpcurl", "buf"])
def client_path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A PATH on which `grpcurl` is either the real grpcurl, or a script that calls buf."""
    if request.param == "grpcurl":
        if shutil.which("grpcurl") is None:
            pytest.skip("grpcurl is not installed")
        return os.environ["PATH"]
    shim = tmp_path / "grpcurl"
    shim.write_text(BUF_AS_GRPCURL)
    shim.chmod(shim.stat().st_mode | stat.S_IXUSR)
    return f"{tmp_path}:{os.environ['PATH']}"


def test_tour_of_the_readme_works(fresh_database_url: str, client_path: str) -> None:
    with serving(["serve"], settings_for(fresh_database_url)) as server:
        result = pasted(lines_of("tour").replace("127.0.0.1:8080", server.address), client_path)

    assert result.returncode == 0, result.stdout + result.stderr
    for seen in (
        "stagely.v1.SecretService",
        '"TEAM_ROLE_OWNER"',
        "not-a-real-token",
        '"ENVIRONMENT_STATUS_BUILDING"',
        "https://pr-7-",
        "Y29ycmVjdCBob3JzZQ==",
        "YmF0dGVyeSBzdGFwbGU=",
        "/etc/tls/key.pem",
    ):
        assert seen in result.stdout
    statuses = json.loads(result.stdout[result.stdout.rindex('{\n  "statuses"') :])["statuses"]
    assert {answer["status"] for answer in statuses.values()} == {"SERVING"}
    assert len(statuses) == 11
    log = "\n".join(server.lines)
    for secret in ("not-a-real-token", "correct horse", "battery staple", "Y29ycmVjdCBob3JzZQ"):
        assert secret not in log


def test_lines_about_trust_work(fresh_database_url: str, client_path: str, tmp_path: Path) -> None:
    secret = tmp_path / ".stagely" / "jwt.secret"
    secret.parent.mkdir()
    secret.write_text("a-secret-of-the-test-of-the-readme-lines")
    env = settings_for(fresh_database_url, JWT_SECRET=secret.read_text())
    with serving(["serve"], env) as server:
        lines = lines_of("trust").replace("127.0.0.1:8080", server.address)
        result = pasted(lines.replace(".venv/bin/stagely-rpc", str(STAGELY_RPC)), client_path, tmp_path)

    assert result.returncode == 0, result.stdout + result.stderr
    for seen in ("a token is required", "lacks the permission", "Team 'initech' not found"):
        assert seen in result.stderr.replace("\\u0027", "'"), result.stderr
    for seen in ('"team.create"', '"access.deny"', '"ada@example.com"', '"head": {'):
        assert seen in result.stdout, result.stdout
