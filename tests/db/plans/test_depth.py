"""Page 10,000 of a list costs the same as page 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.plans.lists import PAGE_SIZE, cases
from tests.support.plans.recording import statements_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagely_rpc.db.driver.pool import ConnectionPool
    from tests.support.plans.explaining import Explainer, Node, Plan
    from tests.support.plans.world import World

LISTS = (
    ("teams.list_teams", "all"),
    ("users.list_users", "all"),
    ("projects.list_projects", "all"),
    ("cloud_providers.list_cloud_providers", "all"),
    ("environments.list_environments", "all"),
    ("environments.list_environments", "project_id"),
    ("environments.list_environments", "team_id"),
    ("environments.list_environments", "statuses"),
    ("secrets.list_secrets", "all"),
    ("audit.list_audit_logs", "all"),
    ("audit.list_audit_logs", "team_id"),
    ("audit.list_audit_logs", "project_id"),
    ("audit.list_audit_logs", "actor_service"),
    ("audit.list_audit_logs", "action"),
    ("audit.list_audit_logs", "resource_type"),
)
MARGIN = 10
"""The extra buffers that a page may need, because it may start in the middle of an index page."""


@pytest.mark.parametrize(("name", "filters"), LISTS)
async def test_later_page_reads_no_more_than_the_first(
    world: World, pool: ConnectionPool, explainer: Explainer, name: str, filters: str
) -> None:
    labelled = dict(cases(name, world.keys))
    plans = []
    for place in ("first", "later"):
        (statement,) = await statements_of(pool, labelled[f"{filters}, {place}"], world.keys)
        plans.append(explainer.plan(statement, "generic"))
    first, later = plans

    assert first.top.rows == later.top.rows == PAGE_SIZE + 1
    assert later.buffers <= 1.2 * first.buffers + MARGIN
    assert all("ROW(" in scan.condition for scan in list_scans(later, name.split("_", 1)[1]))


def list_scans(plan: Plan, table: str) -> Iterator[Node]:
    """Yield the index scans that find the rows of a page, without the lookups by primary key."""
    for node in plan.top.walk():
        if node.table == table and "Index" in node.kind and node.index != f"{table}_pkey":
            yield node
