"""Exceptions from the limits of plans. Each has the reason why its cost stays small, or why there is no index."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Allowed:
    """An exception.

    Attributes:
        cases: a regular expression for the cases, such as `teams.list_teams: user_id, first`.
        reason: why the cost is acceptable.
        sorted_rows: the maximum number of sorted rows in the test's database.
        discarded_rows: the maximum number of rows that a scan filters out.
        scanned: the table that may have a sequential scan.
    """

    cases: str
    reason: str
    sorted_rows: int = -1
    discarded_rows: int = 0
    scanned: str | None = None


ALL_ENVIRONMENTS, ALL_AUDIT_LOGS = 20_000, 40_000

ALLOWED = (
    Allowed(
        r"audit\.is_sealed: .*",
        "runs once, and only for a broken chain",
        discarded_rows=ALL_AUDIT_LOGS,
        scanned="audit_seals",
    ),
    Allowed(
        r"crypto\.list_other_key_encryption_key_ids: .*",
        "runs once at server start; returns one row per team only here, because all keys have another id",
        sorted_rows=2000,
        scanned="data_keys",
    ),
    Allowed(r"secrets\.lock_secret: .*", "the secrets of one project", discarded_rows=300),
    Allowed(r"users\.lock_candidates: .*", "three keys, each of at most one user", 3),
    # Lists of the rows of one user, one team or one project, which are few.
    Allowed(r"teams\.list_teams: .*(user_id|acting).*", "the teams of one user", 20),
    Allowed(r"teams\.list_members: .*role.*", "the members of one team that have a role", 20),
    Allowed(r"users\.list_users: .*(team_id|acting).*", "the members of one team, or of one user's teams", 60),
    Allowed(r"projects\.list_projects: .*acting.*", "the projects of one user's teams", 30),
    Allowed(
        r"projects\.list_projects: .*cloud_provider_id.*", "the projects of a cloud provider, which is a team's", 30
    ),
    Allowed(r"projects\.list_projects: .*repo_url.*", "the projects for one repository", 20),
    Allowed(r"cloud_providers\.list_cloud_providers: .*acting.*", "the cloud providers of one user's teams", 20),
    Allowed(r"secrets\.list_secrets: .*", "the secrets of one project", 100, discarded_rows=300),
    Allowed(r"environments\.list_environments: .*(pr_number|branch_name).*", "one pull request or branch", 30),
    Allowed(r"audit\.list_audit_logs: .*request_id.*", "the entries of one call", 5),
    Allowed(
        r"audit\.list_audit_logs: .*(actor_id|resource_id).*",
        "few rows, by the planner's estimate",
        21,
    ),
    # Merges: one page of each of a few lists.
    Allowed(
        r"environments\.list_environments: .*(team_id|acting).*", "a page of each project of one user or team", 160
    ),
    Allowed(r"environments\.list_environments: .*(statuses|live_only).*", "a page of each status", 4 * 21),
    Allowed(r"audit\.list_audit_logs: .*acting.*", "a page of each team of one user", 20 * 21),
    Allowed(r"audit\.list_audit_logs: .*", "one page in time order; entries with equal times are sorted", 22),
    # Scans that discard rows: an index that avoids this would slow down every write, and is not worth it.
    Allowed(
        r"users\.list_users: .*(is_active|acting).*",
        "the list of users, which only people request",
        discarded_rows=6000,
    ),
    Allowed(
        r"environments\.list_environments: (pr_number|branch_name).*",
        "without a project, no service has a use for a pull request number or a branch name",
        discarded_rows=ALL_ENVIRONMENTS,
    ),
    Allowed(
        r"audit\.list_audit_logs: ((team|project)_id and )?(actor_service|action)\b.*",
        "two conditions that each match many rows, but rarely the same row: one index is scanned",
        discarded_rows=ALL_AUDIT_LOGS,
    ),
)


def allowed_for(case: str) -> list[Allowed]:
    """Return the exceptions for a case."""
    return [each for each in ALLOWED if re.fullmatch(each.cases, case)]
