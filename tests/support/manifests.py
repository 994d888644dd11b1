"""The manifests of deploy/kubernetes, as written and as built by kustomize (like `kubectl apply -k`)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
KUSTOMIZE = shutil.which("kustomize")
KUSTOMIZATIONS = ("base", "overlays/example")

Manifest = dict[str, Any]


def written_manifests() -> list[tuple[str, Manifest]]:
    """Return each manifest of the base, with the name of its file."""
    paths = sorted(path for path in (KUBERNETES / "base").glob("*.yaml") if path.name != "kustomization.yaml")
    return [(path.name, manifest) for path in paths for manifest in yaml.safe_load_all(path.read_text())]


def written_manifest(kind: str, name: str = "stagely-rpc") -> Manifest:
    """Return the manifest of a kind and name, as written in the base."""
    (found,) = [each for _, each in written_manifests() if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def built_manifests(kustomization: str) -> list[Manifest]:
    """Return the manifests that kustomize builds."""
    assert KUSTOMIZE is not None
    command = [KUSTOMIZE, "build", str(KUBERNETES / kustomization)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
    return list(yaml.safe_load_all(ended.stdout))


def settings() -> dict[str, str]:
    """Return the settings of the ConfigMap."""
    lines = (KUBERNETES / "base" / "settings.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def server_container() -> Manifest:
    """Return the container of the service."""
    (container,) = written_manifest("Deployment")["spec"]["template"]["spec"]["containers"]
    assert isinstance(container, dict)
    return container
