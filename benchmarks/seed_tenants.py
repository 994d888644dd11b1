"""Teams and what they have from the beginning: members, data keys, cloud providers and projects, as lines for COPY."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING

from benchmarks.stored_values import StoredValues
from stagely_rpc.crypto.envelope import StorageLocation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.sizes import Sizes

NULL = "\\N"
PERIOD = timedelta(days=730)
AMPLE_QUOTA = 100_000
FEATURED_TEAMS = 1000
"""The first teams, which are the biggest, have a quota that nothing reaches."""

_QUOTAS = {"free": 5, "pro": 50}
_ROLES = {"owner": 10, "admin": 15, "member": 60, "viewer": 15}
_CLOUDS = ("aws", "gcp", "hetzner", "digitalocean")
_TEAMS_OF_A_CONTRACTOR = 20
_ACTIVE = 39  # of 40 projects


class Tenants:
    """The tenants, deterministic. The first teams are much bigger than the rest.

    The rows of a table can be read once, after those of the tables that they refer to.

    Attributes:
        ids_of_teams: the ids of the teams, the biggest first. Team 0 owns projects 0 and 1; every other team owns one.
        team_of: the number of the team that owns a project.
        members: the ids of the users in each team.
        quotas: the quota of live environments of each team.
        values: encrypts the values of the teams.
    """

    def __init__(self, sizes: Sizes, encryption_key: bytes) -> None:
        self.random = random.Random(4)  # noqa: S311 - the same rows each time, and no secret among them
        self.now = datetime.now(UTC)
        self.values = StoredValues(encryption_key)
        self.ids_of_teams = [self.new_id() for _ in range(sizes.teams)]
        self.ids_of_users = [self.new_id() for _ in range(sizes.users)]
        self.ids_of_projects = [self.new_id() for _ in range(sizes.projects)]
        self.weights = list(accumulate((rank + 10) ** -0.8 for rank in range(sizes.teams)))
        everyone = range(sizes.teams)
        owners = self.random.choices(everyone, cum_weights=self.weights, k=sizes.projects)
        self.team_of = [0, *everyone, *owners][: sizes.projects]
        self.members: list[list[str]] = [[] for _ in everyone]
        self.plans = [self._plan_of(rank) for rank in everyone]
        self.quotas = [_QUOTAS.get(plan, AMPLE_QUOTA) for plan in self.plans]

    def new_id(self) -> str:
        """Return a random UUID, as PostgreSQL reads it too."""
        return f"{self.random.getrandbits(128):032x}"

    def chosen(self, weights: Mapping[str, int], count: int) -> list[str]:
        """Return so many of the keys, each as often as its weight says."""
        return self.random.choices(list(weights), weights=list(weights.values()), k=count)

    def time_of(self, number: int, count: int) -> datetime:
        """Return when one of so many came, if they came evenly over the period."""
        return self.now - PERIOD * (1 - (number + 1) / count)

    def teams(self) -> Iterator[str]:
        """Yield id, slug, name, billing_email, billing_plan, max_concurrent_stagelets, created_at."""
        count = len(self.ids_of_teams)
        for number, (team, plan, quota) in enumerate(zip(self.ids_of_teams, self.plans, self.quotas, strict=True)):
            created = self.time_of(self.random.randrange(count), count)
            email = f"pay@team-{number}.example"
            yield line(team, f"team-{number}", f"Team {number}", email, plan, quota, created)

    def users(self) -> Iterator[str]:
        """Yield id, email, name, github_id, is_active, created_at."""
        count = len(self.ids_of_users)
        for number, user in enumerate(self.ids_of_users):
            created = self.time_of(self.random.randrange(count), count)
            yield line(user, f"user-{number}@people.example", f"User {number}", number, number % 50 != 1, created)

    def team_members(self) -> Iterator[str]:
        """Yield id, team_id, user_id, role, created_at. Most users are in one team, some in two, a few in many."""
        count = len(self.ids_of_users)
        for number, user in enumerate(self.ids_of_users):
            roles = self.chosen(_ROLES, _TEAMS_OF_A_CONTRACTOR)
            for team, role in zip(self._teams_of(number), roles, strict=False):
                self.members[team].append(user)
                created = self.time_of(self.random.randrange(count), count)
                yield line(self.new_id(), self.ids_of_teams[team], user, role, created)

    def data_keys(self) -> Iterator[str]:
        """Yield id, team_id, key_encryption_key_id, wrapped_key."""
        for key in map(self.values.data_key, self.ids_of_teams):
            yield line(key.id, key.team_id, key.key_encryption_key_id, key.wrapped_key)

    def cloud_providers(self) -> Iterator[str]:
        """Yield id, team_id, name, provider_type, encrypted_credentials, region, created_at; one for each team."""
        count = len(self.ids_of_teams)
        for number, team in enumerate(self.ids_of_teams):
            location = StorageLocation("cloud_providers", "encrypted_credentials", uuid.UUID(team))
            stored = self.values.sealed(team, b'{"api_token": "none"}', location)
            created = self.time_of(self.random.randrange(count), count)
            # A team and its cloud provider have one id: nothing needs to look the other up.
            yield line(team, team, "main", _CLOUDS[number % len(_CLOUDS)], stored, "eu-1", created)

    def projects(self) -> Iterator[str]:
        """Yield id, team_id, slug, name, repo_url, cloud_provider_id, is_active, created_at."""
        count = len(self.ids_of_projects)
        for number, (project, team) in enumerate(zip(self.ids_of_projects, self.team_of, strict=True)):
            created = self.time_of(self.random.randrange(count), count)
            repo, owner = f"https://git.example/acme/app-{number // 2}", self.ids_of_teams[team]
            yield line(project, owner, f"app-{number}", f"App {number}", repo, owner, number % 40 < _ACTIVE, created)

    def _plan_of(self, rank: int) -> str:
        if rank < FEATURED_TEAMS:
            return "enterprise"
        return "pro" if rank % 4 == 0 else "free"

    def _teams_of(self, number: int) -> set[int]:
        """Return the teams of a user. Of the first users, each is in one of the first teams, so that all have one."""
        everyone = range(len(self.ids_of_teams))
        further = _TEAMS_OF_A_CONTRACTOR - 1 if number % 1000 == 0 else int(number % 5 == 0)
        first = number if number in everyone else self._any_team()
        return {first, *(self._any_team() for _ in range(further))}

    def _any_team(self) -> int:
        return self.random.choices(range(len(self.ids_of_teams)), cum_weights=self.weights)[0]


def line(*values: object) -> str:
    """Return a row as COPY reads it; no value holds what has a meaning there."""
    return "\t".join([NULL if value is None else str(value) for value in values]) + "\n"
