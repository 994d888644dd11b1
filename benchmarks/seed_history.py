"""The history of tenants: environments, secrets and audit entries, as lines for COPY.

The rows are ordered by time, as in real use, so the rows of one project are scattered over the whole table.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from typing import TYPE_CHECKING

from benchmarks.seed_tenants import NULL, line
from stagely_rpc.crypto.envelope import StorageLocation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from benchmarks.seed_tenants import Tenants
    from benchmarks.sizes import Sizes

SCOPE = "backend"
RESOLVED_SECRETS = 100
"""So many secrets are all that the project 1 has, and `SCOPE` gets all of them."""
RESOLVED_PROJECT = 1

# Project 0 has this share of everything, but enough for a few pages in a small population too.
_LARGEST_SHARE, _LARGEST_LEAST = 0.01, 300
_OPEN_SHARE, _OPEN_LEAST = 0.015, 400
_LIVE = {"ready": 80, "deploying": 8, "building": 8, "pending": 4}
_RECENT = {**_LIVE, "failed": 5}
_OLD = {"terminated": 70, "reaped": 28, "failed": 2}
_CLOSED = frozenset({"terminated", "reaped"})
_NO_PULL_REQUEST, _OPENED_AGAIN = 0.05, 0.1
_VM_STATUS = dict.fromkeys(_CLOSED, "terminated") | {"ready": "running"}
_SCOPES = {"global": 4, SCOPE: 3, "frontend": 2, "worker": 1}
_SERVICES = {"api": 60, "webhooks": 15, "builder": 20, "reaper": 5}
_ACTIONS = {
    "environment.transition": 45,
    "environment.create": 10,
    "environment.terminate": 10,
    "secret.access": 20,
    "secret.set": 8,
    "project.update": 3,
    "team.update": 3,
    "user.upsert": 1,
}
_DETAILS = {
    "environment": '{"changes": {"status": {"new": "ready", "old": "deploying"}}}',
    "secret": '{"key": "DATABASE_URL", "scope": "global", "version": 3}',
    "project": '{"changes": {"default_branch": {"new": "trunk", "old": "main"}}}',
    "team": '{"changes": {"billing_plan": {"new": "pro", "old": "free"}}}',
    "user": '{"changes": {"name": {"new": "Ada", "old": "A."}}}',
}
_IN_A_PROJECT = frozenset({"environment", "secret", "project"})
_BATCH = 1000


@dataclass(frozen=True)
class Made:
    """The history by the number of the project.

    Attributes:
        environments: the ids of environments.
        secrets: the ids of secrets.
        ready: the subdomains of ready environments, by id.
    """

    environments: list[list[str]]
    secrets: list[list[str]]
    ready: dict[str, str]


class Growth:
    """Everything that tenants make. The rows of each table may be taken once, and those of the trail at last."""

    def __init__(self, tenants: Tenants, sizes: Sizes) -> None:
        self._tenants = tenants
        self._sizes = sizes
        self._random = tenants.random
        self._activity = self._activity_of_projects(sizes)
        self._pull_requests = [0 for _ in self._activity]
        self._is_last_closed = [False for _ in self._activity]
        self._room = list(tenants.quotas)
        self.made = Made([[] for _ in self._activity], [[] for _ in self._activity], {})

    def environments(self) -> Iterator[str]:
        """Yield rows of `ENVIRONMENT_COLUMNS`; of a pull request at most one is open, and no quota is exceeded."""
        count = self._sizes.environments
        first_recent = count - max(round(count * _OPEN_SHARE), min(_OPEN_LEAST, count // 2))
        old, recent, projects = self._drawn(_OLD), self._drawn(_RECENT), self._drawn_projects(self._activity)
        for number, project in zip(range(count), projects, strict=False):
            status = self._within_quota(project, next(old if number < first_recent else recent))
            yield self._environment(number, project, status)

    def secrets(self) -> Iterator[str]:
        """Yield rows of `SECRET_COLUMNS`."""
        for number in range(RESOLVED_SECRETS):
            yield self._secret(number, RESOLVED_PROJECT, ("global", SCOPE)[number % 2])
        numbers = range(RESOLVED_SECRETS, self._sizes.secrets)
        activity = [0 if project == RESOLVED_PROJECT else each for project, each in enumerate(self._activity)]
        for number, project, scope in zip(numbers, self._drawn_projects(activity), self._drawn(_SCOPES), strict=False):
            yield self._secret(number, project, scope)

    def audit_logs(self) -> Iterator[str]:
        """Yield rows of `AUDIT_LOG_COLUMNS`."""
        numbers, projects = range(self._sizes.audit_logs), self._drawn_projects(self._activity)
        for number, project, action, service in zip(
            numbers, projects, self._drawn(_ACTIONS), self._drawn(_SERVICES), strict=False
        ):
            yield self._audit_log(number, project, action, service)

    def _environment(self, number: int, project: int, status: str) -> str:
        environment, pr_number = self._tenants.new_id(), self._pull_request(project, status)
        subdomain = f"{'env' if pr_number is None else f'pr-{pr_number}'}-{environment[:12]}"
        self.made.environments[project].append(environment)
        if status == "ready":
            self.made.ready[environment] = subdomain
        created = self._tenants.time_of(number, self._sizes.environments)
        ended = min(created + timedelta(hours=60 * self._random.random()), self._tenants.now)
        return line(
            environment,
            self._tenants.ids_of_projects[project],
            pr_number,
            "main" if pr_number is None else f"feature/{pr_number % 1000}",
            f"{environment}{environment[:8]}",
            subdomain,
            f"i-{environment[:17]}",
            f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
            _VM_STATUS.get(status, "provisioning"),
            status,
            created if status in {"ready", *_CLOSED} else None,
            created if status == "ready" else None,
            ended if status in _CLOSED else None,
            created,
        )

    def _secret(self, number: int, project: int, scope: str) -> str:
        tenants, secret = self._tenants, self._tenants.new_id()
        owned, team = self.made.secrets[project], tenants.ids_of_teams[tenants.team_of[project]]
        owned.append(secret)
        location = StorageLocation("secrets", "encrypted_value", uuid.UUID(secret))
        stored = tenants.values.sealed(team, b"postgresql://app@database/app", location)
        is_file, created = len(owned) % 10 == 0, tenants.time_of(number, self._sizes.secrets)
        kind = ("file", f"/etc/app/{len(owned)}.pem", "0400") if is_file else ("env", None, None)
        return line(secret, tenants.ids_of_projects[project], f"KEY_{len(owned)}", stored, scope, *kind, created)

    def _audit_log(self, number: int, project: int, action: str, service: str) -> str:
        tenants, kind = self._tenants, action.partition(".")[0]
        team = tenants.team_of[project]
        actor = self._any_of(tenants.members[team]) if service == "api" else None
        owner = None if kind == "user" else tenants.ids_of_teams[team]
        parent = tenants.ids_of_projects[project] if kind in _IN_A_PROJECT else None
        # By hand: there are ten million of them.
        return (
            f"{tenants.new_id()}\t{actor or NULL}\t10.0.{number >> 8 & 255}.{number & 255}\t{action}\t{kind}"
            f"\t{self._resource(kind, project)}\t{owner or NULL}\t{parent or NULL}\t{_DETAILS[kind]}"
            f"\t{tenants.time_of(number, self._sizes.audit_logs)}\t{service}\t{tenants.new_id()}\n"
        )

    def _resource(self, kind: str, project: int) -> str:
        tenants = self._tenants
        ids = {
            "environment": self.made.environments[project],
            "secret": self.made.secrets[project],
            "team": [tenants.ids_of_teams[tenants.team_of[project]]],
            "user": tenants.ids_of_users,
        }
        return self._any_of(ids.get(kind)) or tenants.ids_of_projects[project]

    def _any_of(self, ids: list[str] | None) -> str | None:
        return ids[int(self._random.random() * len(ids))] if ids else None

    def _pull_request(self, project: int, status: str) -> int | None:
        """Return the number of the pull request of a new environment: now and then, the last one is opened again."""
        chance = self._random.random()
        if chance < _NO_PULL_REQUEST:
            return None
        if chance < 1 - _OPENED_AGAIN or not self._is_last_closed[project]:
            self._pull_requests[project] += 1
        self._is_last_closed[project] = status in _CLOSED
        return self._pull_requests[project]

    def _within_quota(self, project: int, status: str) -> str:
        if status not in _LIVE:
            return status
        team = self._tenants.team_of[project]
        if not self._room[team]:
            return "terminated"
        self._room[team] -= 1
        return status

    def _activity_of_projects(self, sizes: Sizes) -> list[float]:
        """Return how active projects are, against each other."""
        activity = [self._random.paretovariate(1.5) for _ in range(sizes.projects)]
        share = max(_LARGEST_SHARE, min(_LARGEST_LEAST / sizes.environments, 0.5))
        activity[0] = sum(activity[1:]) * share / (1 - share)
        return activity

    def _drawn_projects(self, activity: Iterable[float]) -> Iterator[int]:
        weights = list(accumulate(activity))
        while True:
            yield from self._random.choices(range(len(weights)), cum_weights=weights, k=_BATCH)

    def _drawn(self, weights: Mapping[str, int]) -> Iterator[str]:
        while True:
            yield from self._tenants.chosen(weights, _BATCH)
