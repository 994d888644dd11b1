"""The manifests: valid by Kubernetes' own schemas, and of one mind with each other and with the service."""

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
    built,
    files,
    server,
    settings,
    written,
)

# The oldest that is still looked after, and the newest that there are schemas of.
VERSIONS = ("1.35", kubernetes_validate.latest_version())
WORKLOADS = [("Deployment", "stagely-rpc"), ("Job", "stagely-rpc-migrate")]
MAX_CONNECTIONS = 100
"""PostgreSQL's own default, of which a tenth is left to migrations, backups and people."""

needs_kustomize = pytest.mark.skipif(KUSTOMIZE is None, reason="kustomize is not installed")


def validate(manifest: Manifest, version: str) -> None:
    """Check a manifest by the schema of its kind; a ServiceMonitor is no kind of Kubernetes' own."""
    if manifest["kind"] != "ServiceMonitor":
        kubernetes_validate.validate(manifest, version, strict=True)


def pod_of(kind: str, name: str) -> Manifest:
    pod = written(kind, name)["spec"]["template"]["spec"]
    assert isinstance(pod, dict)
    return pod


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", [manifest for _, manifest in files()], ids=lambda manifest: manifest["kind"])
def test_manifest_is_valid(manifest: Manifest, version: str) -> None:
    validate(manifest, version)


def test_unknown_field_is_found() -> None:
    manifest = written("Deployment")
    manifest["spec"]["template"]["spec"]["containers"][0]["readOnlyRootFilesystem"] = True

    with pytest.raises(kubernetes_validate.ValidationError):
        validate(manifest, VERSIONS[0])


@needs_kustomize
@pytest.mark.parametrize("kustomization", KUSTOMIZATIONS)
def test_kustomization_builds_valid_manifests(kustomization: str) -> None:
    manifests = built(kustomization)

    for manifest in manifests:
        validate(manifest, VERSIONS[-1])
    assert {manifest["kind"] for manifest in manifests} >= {kind for kind, _ in WORKLOADS} | {"ConfigMap", "Service"}


@needs_kustomize
def test_overlay_has_its_own_image_namespace_and_settings() -> None:
    manifests = built("overlays/example")
    by_kind = {manifest["kind"]: manifest for manifest in manifests}
    config = by_kind["ConfigMap"]

    assert config["data"] == settings() | {"DOMAIN": "preview.example.com"}
    container = by_kind["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert container["envFrom"] == [{"configMapRef": {"name": config["metadata"]["name"]}}]
    assert container["image"].startswith("registry.example.com/stagely/stagely-rpc:")
    assert {each["metadata"].get("namespace") for each in manifests if each["kind"] != "Namespace"} == {"stagely"}


def test_every_file_is_in_the_kustomization() -> None:
    listed = yaml.safe_load((KUBERNETES / "base" / "kustomization.yaml").read_text())["resources"]

    assert sorted(listed) == sorted({file for file, _ in files()})


def test_every_variable_is_a_setting() -> None:
    named = [variable["name"] for kind, name in WORKLOADS for variable in pod_of(kind, name)["containers"][0]["env"]]

    assert {*named, *settings()} - {name.upper() for name in Settings.model_fields} == set()


def test_manifests_give_the_service_settings_that_it_starts_with() -> None:
    secret = {
        "DATABASE_URL": "postgresql://stagely@postgres/stagely",
        "REDIS_URL": "redis://redis:6379/0",
        "ENCRYPTION_KEY": "0" * 64,
        "JWT_SECRET": "x" * 32,
    }
    assert {variable["name"] for variable in server()["env"]} == set(secret)

    given = {name.lower(): value for name, value in (settings() | secret).items()}

    assert Settings.model_validate(given).authentication_is_on


def test_no_secret_is_written_down() -> None:
    for kind, name in WORKLOADS:
        for variable in pod_of(kind, name)["containers"][0]["env"]:
            assert set(variable["valueFrom"]) == {"secretKeyRef"}
    assert "Secret" not in {manifest["kind"] for _, manifest in files()}


def test_ports_are_those_of_the_settings() -> None:
    ports = {port["name"]: str(port["containerPort"]) for port in server()["ports"]}
    offered = {port["name"]: port["targetPort"] for port in written("Service")["spec"]["ports"]}

    assert ports == {
        "grpc": settings()["PORT"],
        "health": settings()["HEALTH_PORT"],
        "metrics": settings()["METRICS_PORT"],
    }
    assert offered == {"grpc": "grpc", "metrics": "metrics"}
    assert {endpoint["port"] for endpoint in written("ServiceMonitor")["spec"]["endpoints"]} == {"metrics"}


def test_probes_ask_the_port_without_tls_for_names_that_health_knows() -> None:
    probes = {kind: server()[f"{kind}Probe"]["grpc"] for kind in ("startup", "readiness", "liveness")}

    assert {str(probe["port"]) for probe in probes.values()} == {settings()["HEALTH_PORT"]}
    assert {kind: probe.get("service", "") for kind, probe in probes.items()} == {
        "startup": LIVENESS,
        "readiness": "",
        "liveness": LIVENESS,
    }


def test_a_replica_has_time_to_drain() -> None:
    pauses = {name: field.default for name, field in Settings.model_fields.items() if name.startswith("shutdown_")}
    chosen = {name: float(settings().get(name.upper(), default)) for name, default in pauses.items()}

    assert pod_of(*WORKLOADS[0])["terminationGracePeriodSeconds"] >= sum(chosen.values()) + 10


def test_all_replicas_together_fit_into_the_connections_of_postgresql() -> None:
    replicas = written("HorizontalPodAutoscaler")["spec"]["maxReplicas"]
    surge = written("Deployment")["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    each = int(settings()["DATABASE_POOL_SIZE"]) + int(settings().get("WORKERS", "1"))

    assert replicas * each <= 0.9 * MAX_CONNECTIONS
    assert surge == 1


def test_migration_is_given_longer_than_it_waits_for_another() -> None:
    assert written("Job", "stagely-rpc-migrate")["spec"]["activeDeadlineSeconds"] > 2 * WAIT_SECONDS


@pytest.mark.parametrize(("kind", "name"), WORKLOADS)
def test_pod_is_within_the_restricted_standard(kind: str, name: str) -> None:
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
def test_container_runs_a_command_that_there_is(kind: str, name: str) -> None:
    command, *arguments = pod_of(kind, name)["containers"][0]["args"]
    found = get_command(app).commands[command]  # type: ignore[attr-defined]

    assert not arguments or arguments[0] in found.commands


def test_whoever_is_selected_is_there() -> None:
    labels = written("Deployment")["spec"]["template"]["metadata"]["labels"]
    service = written("Service")
    selectors = [
        written("Deployment")["spec"]["selector"]["matchLabels"],
        service["spec"]["selector"],
        written("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        written("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ]
    common = yaml.safe_load((KUBERNETES / "base" / "kustomization.yaml").read_text())["labels"][0]["pairs"]
    monitored = written("ServiceMonitor")["spec"]["selector"]["matchLabels"]

    assert [selector for selector in selectors if not selector.items() <= labels.items()] == []
    assert monitored.items() <= (common | service["metadata"]["labels"]).items()
    assert written("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == "stagely-rpc"
    assert service["spec"]["clusterIP"] == "None"


def test_a_migration_is_no_replica() -> None:
    job = written("Job", "stagely-rpc-migrate")["spec"]["template"]["metadata"]["labels"]

    assert not written("Service")["spec"]["selector"].items() <= job.items()
