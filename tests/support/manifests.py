"""The manifests of deploy/kubernetes, built by kustomize as `kubectl apply -k` builds them."""

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


def files() -> list[tuple[str, Manifest]]:
    """Return each manifest of the base as it is written, with the name of its file."""
    written = sorted(path for path in (KUBERNETES / "base").glob("*.yaml") if path.name != "kustomization.yaml")
    return [(path.name, manifest) for path in written for manifest in yaml.safe_load_all(path.read_text())]


def written(kind: str, name: str = "stagely-rpc") -> Manifest:
    """Return the manifest of a kind, as it is written."""
    (found,) = [each for _, each in files() if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def built(kustomization: str) -> list[Manifest]:
    """Return what kustomize makes of a kustomization."""
    assert KUSTOMIZE is not None
    command = [KUSTOMIZE, "build", str(KUBERNETES / kustomization)]
    made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert made.returncode == 0, made.stderr
    return list(yaml.safe_load_all(made.stdout))


def settings() -> dict[str, str]:
    """Return the settings of the ConfigMap."""
    lines = (KUBERNETES / "base" / "settings.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def server() -> Manifest:
    """Return the container that serves."""
    (container,) = written("Deployment")["spec"]["template"]["spec"]["containers"]
    assert isinstance(container, dict)
    return container
