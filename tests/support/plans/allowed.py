"""What plans may do that grows with something: each with the reason why that stays small, or why there is no index."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Allowed:
    """An exception.

    Attributes:
        cases: a regular expression for the cases, such as `teams.list_teams: user_id, first`.
        reason: why it stays small.
        sorted_rows: so many rows are sorted at most, in the test's database.
        passed_rows: so many rows that are not wanted are passed by a walk.
        scanned: the table that is read from end to end.
    """

    cases: str
    reason: str
    sorted_rows: int = -1
    passed_rows: int = 0
    scanned: str | None = None


ALL_ENVIRONMENTS, ALL_AUDIT_LOGS = 20_000, 40_000

ALLOWED = (
    Allowed(
        r"audit\.is_sealed: .*",
        "asked of a broken chain alone, once",
        passed_rows=ALL_AUDIT_LOGS,
        scanned="audit_seals",
    ),
    Allowed(
        r"crypto\.list_other_key_encryption_key_ids: .*",
        "asked once when a server starts; there are as many as teams, and here each is another's, which else none is",
        sorted_rows=2000,
        scanned="data_keys",
    ),
    Allowed(r"secrets\.lock_secret: .*", "the secrets of one project", passed_rows=300),
    Allowed(r"users\.lock_candidates: .*", "three keys, each of one user at most", 3),
    # Lists of what one user, one team or one project has, which is little.
    Allowed(r"teams\.list_teams: .*(user_id|acting).*", "the teams of one user", 20),
    Allowed(r"teams\.list_members: .*role.*", "the members of one team that have a role", 20),
    Allowed(r"users\.list_users: .*(team_id|acting).*", "the members of one team, or of one user's teams", 60),
    Allowed(r"projects\.list_projects: .*acting.*", "the projects of one user's teams", 30),
    Allowed(
        r"projects\.list_projects: .*cloud_provider_id.*", "the projects of a cloud provider, which is a team's", 30
    ),
    Allowed(r"projects\.list_projects: .*repo_url.*", "the projects for one repository", 20),
    Allowed(r"cloud_providers\.list_cloud_providers: .*acting.*", "the cloud providers of one user's teams", 20),
    Allowed(r"secrets\.list_secrets: .*", "the secrets of one project", 100, passed_rows=300),
    Allowed(r"environments\.list_environments: .*(pr_number|branch_name).*", "one pull request or branch", 30),
    Allowed(r"audit\.list_audit_logs: .*request_id.*", "the rows of one call", 5),
    Allowed(r"audit\.list_audit_logs: .*(actor_id|resource_id).*", "few rows, if the planner takes them for few", 21),
    # Merges: a page of each of a few lists.
    Allowed(
        r"environments\.list_environments: .*(team_id|acting).*", "a page of each project of one user or team", 160
    ),
    Allowed(r"environments\.list_environments: .*(statuses|live_only).*", "a page of each status", 4 * 21),
    Allowed(r"audit\.list_audit_logs: .*acting.*", "a page of each team of one user", 20 * 21),
    Allowed(r"audit\.list_audit_logs: .*", "a page in the order of time, in which equal times are put in order", 22),
    # Walks that pass what is not wanted: an index that would spare them costs every write more than it is worth.
    Allowed(r"users\.list_users: .*(is_active|acting).*", "the list of users, asked for by people", passed_rows=6000),
    Allowed(
        r"environments\.list_environments: (pr_number|branch_name).*",
        "without a project, a number or a name means nothing to a service",
        passed_rows=ALL_ENVIRONMENTS,
    ),
    Allowed(
        r"audit\.list_audit_logs: ((team|project)_id and )?(actor_service|action)\b.*",
        "two things that are true of many rows each, and seldom of one: what has the first is walked",
        passed_rows=ALL_AUDIT_LOGS,
    ),
)


def allowed_for(case: str) -> list[Allowed]:
    """Return the exceptions for a case."""
    return [each for each in ALLOWED if re.fullmatch(each.cases, case)]
