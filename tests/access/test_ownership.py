"""Each slice registers the path from its rows to the team that owns them."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from stagely_rpc.access import ownership
from stagely_rpc.access.ownership import register_owner, team_id_of
from stagely_rpc.db.models import AuditSeal, BuildJob, CloudProvider, Environment, Project, Secret, Team, WorkflowRun


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "_PATHS", dict(ownership._PATHS))


@pytest.mark.parametrize("model", [Team, Project, CloudProvider, Environment, Secret])
def test_every_slice_registers_a_path_to_the_team(model: type) -> None:
    from stagely_rpc.server import services

    assert services.SERVICES
    assert "team" in str(select(team_id_of(model)))


@pytest.mark.usefixtures("registry")
def test_path_to_the_team_runs_through_other_slices() -> None:
    register_owner(WorkflowRun, WorkflowRun.environment_id, through=Environment)
    register_owner(BuildJob, BuildJob.workflow_run_id, through=WorkflowRun)

    assert str(select(team_id_of(BuildJob))).replace("\n", "") == (
        "SELECT (SELECT projects.team_id FROM projects JOIN environments ON environments.project_id = projects.id"
        " JOIN workflow_runs ON workflow_runs.environment_id = environments.id"
        " JOIN build_jobs ON build_jobs.workflow_run_id = workflow_runs.id WHERE build_jobs.id = :ref) AS anon_1"
    )


def test_unregistered_model_is_refused() -> None:
    with pytest.raises(LookupError, match="no slice has registered which team owns a AuditSeal"):
        team_id_of(AuditSeal)
