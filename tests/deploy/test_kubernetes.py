"""The Kubernetes manifests are valid, and consistent with each other and with the service."""

from __future__ import annotations

import re

import kubernetes_validate
import pytest
import yaml
from typer.main import get_command

from stagely_rpc.cli.app import app
from stagely_rpc.db.schema.migrations import WAIT_SECONDS
from stagely_rpc.health import LIVENESS
from stagely_rpc.settings.model import Settings
from tests.support.manifests import (
    KUBERNETES,
    KUSTOMIZATIONS,
    KUSTOMIZE,
    Manifest,
    built_manifests,
    server_container,
    settings,
    written_manifest,
    written_manifests,
)

# The oldest supported Kubernetes version, and the newest with schemas.
VERSIONS = ("1.35", kubernetes_validate.latest_version())
WORKLOADS = [("Deployment", "stagely-rpc"), ("Job", "stagely-rpc-migrate")]
MAX_CONNECTIONS = 100
"""PostgreSQL's default. A tenth is reserved for migrations, backups and people."""

needs_kustomize = pytest.mark.skipif(KUSTOMIZE is None, reason="kustomize is not installed")


def validate(manifest: Manifest, version: str) -> None:
    """Check a manifest against the schema of its kind. A ServiceMonitor is a custom resource without a schema here."""
    if manifest["kind"] != "ServiceMonitor":
        kubernetes_validate.validate(manifest, version, strict=True)


def pod_of(kind: str, name: str) -> Manifest:
    pod = written_manifest(kind, name)["spec"]["template"]["spec"]
    assert isinstance(pod, dict)
    return pod


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", [each for _, each in written_manifests()], ids=lambda manifest: manifest["kind"])
def test_manifest_is_valid(manifest: Manifest, version: str) -> None:
    validate(manifest, version)


def test_unknown_field_is_refused() -> None:
    manifest = written_manifest("Deployment")
    manifest["spec"]["template"]["spec"]["containers"][0]["readOnlyRootFilesystem"] = True

    with pytest.raises(kubernetes_validate.ValidationError):
        validate(manifest, VERSIONS[0])


@needs_kustomize
@pytest.mark.parametrize("kustomization", KUSTOMIZATIONS)
def test_kustomization_builds_valid_manifests(kustomization: str) -> None:
    manifests = built_manifests(kustomization)

    for manifest in manifests:
        validate(manifest, VERSIONS[-1])
    assert {manifest["kind"] for manifest in manifests} >= {kind for kind, _ in WORKLOADS} | {"ConfigMap", "Service"}


@needs_kustomize
def test_overlay_sets_its_image_namespace_and_settings() -> None:
    manifests = built_manifests("overlays/example")
    by_kind = {manifest["kind"]: manifest for manifest in manifests}
    config = by_kind["ConfigMap"]

    assert config["data"] == settings() | {"DOMAIN": "preview.example.com"}
    container = by_kind["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert container["envFrom"] == [{"configMapRef": {"name": config["metadata"]["name"]}}]
    assert container["image"].startswith("registry.example.com/stagely/stagely-rpc:")
    assert {each["metadata"].get("namespace") for each in manifests if each["kind"] != "Namespace"} == {"stagely"}


def test_kustomization_lists_every_file() -> None:
    listed = yaml.safe_load((KUBERNETES / "base" / "kustomization.yaml").read_text())["resources"]

    assert sorted(listed) == sorted({file for file, _ in written_manifests()})


def test_every_variable_is_a_setting() -> None:
    named = [variable["name"] for kind, name in WORKLOADS for variable in pod_of(kind, name)["containers"][0]["env"]]

    assert {*named, *settings()} - {name.upper() for name in Settings.model_fields} == set()


def test_service_accepts_the_settings_of_the_manifests() -> None:
    secret = {
        "DATABASE_URL": "postgresql://stagely@postgres/stagely",
        "REDIS_URL": "redis://redis:6379/0",
        "ENCRYPTION_KEY": "0" * 64,
        "JWT_SECRET": "x" * 32,
    }
    assert {variable["name"] for variable in server_container()["env"]} == set(secret)

    given = {name.lower(): value for name, value in (settings() | secret).items()}

    assert Settings.model_validate(given).authentication_is_on


def test_manifests_contain_no_secret() -> None:
    for kind, name in WORKLOADS:
        for variable in pod_of(kind, name)["containers"][0]["env"]:
            assert set(variable["valueFrom"]) == {"secretKeyRef"}
    assert "Secret" not in {manifest["kind"] for _, manifest in written_manifests()}


def test_ports_are_those_of_the_settings() -> None:
    ports = {port["name"]: str(port["containerPort"]) for port in server_container()["ports"]}
    offered = {port["name"]: port["targetPort"] for port in written_manifest("Service")["spec"]["ports"]}

    assert ports == {
        "grpc": settings()["PORT"],
        "health": settings()["HEALTH_PORT"],
        "metrics": settings()["METRICS_PORT"],
    }
    assert offered == {"grpc": "grpc", "metrics": "metrics"}
    assert {endpoint["port"] for endpoint in written_manifest("ServiceMonitor")["spec"]["endpoints"]} == {"metrics"}


def test_probes_use_the_health_port_and_known_health_names() -> None:
    probes = {kind: server_container()[f"{kind}Probe"]["grpc"] for kind in ("startup", "readiness", "liveness")}

    assert {str(probe["port"]) for probe in probes.values()} == {settings()["HEALTH_PORT"]}
    assert {kind: probe.get("service", "") for kind, probe in probes.items()} == {
        "startup": LIVENESS,
        "readiness": "",
        "liveness": LIVENESS,
    }


def test_termination_grace_period_is_long_enough_to_drain() -> None:
    pauses = {name: field.default for name, field in Settings.model_fields.items() if name.startswith("shutdown_")}
    chosen = {name: float(settings().get(name.upper(), default)) for name, default in pauses.items()}

    assert pod_of(*WORKLOADS[0])["terminationGracePeriodSeconds"] >= sum(chosen.values()) + 10


def test_all_replicas_together_fit_into_the_connection_limit_of_postgresql() -> None:
    replicas = written_manifest("HorizontalPodAutoscaler")["spec"]["maxReplicas"]
    surge = written_manifest("Deployment")["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    each = int(settings()["DATABASE_POOL_SIZE"]) + int(settings().get("WORKERS", "1"))

    assert replicas * each <= 0.9 * MAX_CONNECTIONS
    assert surge == 1


def test_deadline_of_the_migration_job_exceeds_its_wait_for_the_lock() -> None:
    assert written_manifest("Job", "stagely-rpc-migrate")["spec"]["activeDeadlineSeconds"] > 2 * WAIT_SECONDS


@pytest.mark.parametrize(("kind", "name"), WORKLOADS)
def test_pod_meets_the_restricted_security_standard(kind: str, name: str) -> None:
    pod = pod_of(kind, name)
    (container,) = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert set(pod.keys()) & {"hostNetwork", "hostPID", "hostIPC"} == set()
    assert "limits" in container["resources"]


@pytest.mark.parametrize(("kind", "name"), WORKLOADS)
def test_pod_runs_as_the_user_of_the_image(kind: str, name: str) -> None:
    user = re.findall(r"(?m)^USER (\d+)$", (KUBERNETES.parent.parent / "Dockerfile").read_text())

    assert [str(pod_of(kind, name)["securityContext"]["runAsUser"])] == user


@pytest.mark.parametrize(("kind", "name"), WORKLOADS)
def test_container_runs_an_existing_command(kind: str, name: str) -> None:
    command, *arguments = pod_of(kind, name)["containers"][0]["args"]
    found = get_command(app).commands[command]  # type: ignore[attr-defined]

    assert not arguments or arguments[0] in found.commands


def test_selectors_match_the_labels_of_their_targets() -> None:
    labels = written_manifest("Deployment")["spec"]["template"]["metadata"]["labels"]
    service = written_manifest("Service")
    selectors = [
        written_manifest("Deployment")["spec"]["selector"]["matchLabels"],
        service["spec"]["selector"],
        written_manifest("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        written_manifest("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ]
    common = yaml.safe_load((KUBERNETES / "base" / "kustomization.yaml").read_text())["labels"][0]["pairs"]
    monitored = written_manifest("ServiceMonitor")["spec"]["selector"]["matchLabels"]

    assert [selector for selector in selectors if not selector.items() <= labels.items()] == []
    assert monitored.items() <= (common | service["metadata"]["labels"]).items()
    assert written_manifest("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == "stagely-rpc"
    assert service["spec"]["clusterIP"] == "None"


def test_service_does_not_select_the_migration() -> None:
    job = written_manifest("Job", "stagely-rpc-migrate")["spec"]["template"]["metadata"]["labels"]

    assert not written_manifest("Service")["spec"]["selector"].items() <= job.items()
