"""`python -m benchmarks.depth URL`: the cost of a deep page of each list, as a ratio to the first page.

Both are read alternately with the service's statements on a populated database. Pages have 50 rows; the deep page is
page 10,000, or the last full page of a shorter list. Ratios are medians of the rounds, with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import asyncio
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, true

from benchmarks.measure import Spread
from benchmarks.processes import BenchmarkError
from stagely_rpc.audit.inputs import AuditLogFilter
from stagely_rpc.audit.queries import list_audit_logs
from stagely_rpc.call import Call, current_call
from stagely_rpc.cloud_providers.inputs import ProviderFilter
from stagely_rpc.cloud_providers.queries import list_cloud_providers
from stagely_rpc.db.database import Database
from stagely_rpc.db.driver.pool import PoolLimits
from stagely_rpc.db.idempotency import IdempotencyStore
from stagely_rpc.db.models import Base
from stagely_rpc.db.paging import Cursor, Page
from stagely_rpc.environments.inputs import EnvironmentFilter
from stagely_rpc.environments.queries import list_environments
from stagely_rpc.projects.inputs import ProjectFilter
from stagely_rpc.projects.queries import list_projects
from stagely_rpc.teams.inputs import TeamFilter
from stagely_rpc.teams.queries import list_teams
from stagely_rpc.users.inputs import UserFilter
from stagely_rpc.users.queries import list_users

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagely_rpc.db.session import Session

PAGE_SIZE = 50
DEPTH = 10_000
_WARMUP = 10
_LEAP = 100 * PAGE_SIZE


@dataclass(frozen=True)
class Listed:
    """A list.

    Attributes:
        name: the name in the output.
        read: the service's function.
        wanted: its filters.
    """

    name: str
    read: Callable[..., Any]
    wanted: Any

    async def seconds(self, session: Session, page: Page) -> float:
        """Return the time to read a page."""
        started = time.perf_counter()
        await self.read(session, self.wanted, page, true())
        return time.perf_counter() - started

    async def deepest(self, session: Session, depth: int) -> Page:
        """Return the page at a depth, or the last full page of a shorter list. Skips quickly with large pages."""
        place: Cursor | None = None
        for size in (_LEAP, PAGE_SIZE):
            while depth > (pages := size // PAGE_SIZE):
                found = await self.read(session, self.wanted, Page(size + PAGE_SIZE, place), true())
                if len(found.rows) < size + PAGE_SIZE:
                    break
                place, depth = self._place_of(found.rows[size - 1]), depth - pages
        return Page(PAGE_SIZE, place)

    def _place_of(self, row: Any) -> Cursor:  # noqa: ANN401
        return Cursor(row.timestamp if self.read is list_audit_logs else row.created_at, row.id)


async def _lists(session: Session) -> list[Listed]:
    """Return the lists of everything, and of the biggest team and project."""
    team, project = await _id_of(session, "teams", "team-0"), await _id_of(session, "projects", "app-0")
    return [
        Listed("teams", list_teams, TeamFilter()),
        Listed("users", list_users, UserFilter()),
        Listed("projects", list_projects, ProjectFilter()),
        Listed("cloud providers", list_cloud_providers, ProviderFilter()),
        Listed("environments", list_environments, EnvironmentFilter()),
        Listed("environments of a team", list_environments, EnvironmentFilter(team_id=team)),
        Listed("environments of a project", list_environments, EnvironmentFilter(project_id=project)),
        Listed("environments of a status", list_environments, EnvironmentFilter(statuses=frozenset({"reaped"}))),
        Listed("audit rows", list_audit_logs, AuditLogFilter()),
        Listed("audit rows of a team", list_audit_logs, AuditLogFilter(team_id=team)),
        Listed("audit rows of an action", list_audit_logs, AuditLogFilter(action="secret.access")),
    ]


async def _id_of(session: Session, table: str, slug: str) -> uuid.UUID:
    found = (await session.execute(select(Base.metadata.tables[table].c.id).filter_by(slug=slug))).scalar()
    if found is None:
        raise BenchmarkError(f"no {slug} in {table}: is the database populated?")
    return uuid.UUID(str(found))


async def measure(url: str, rounds: int, depth: int) -> None:
    """Measure every list, and print its line."""
    db = Database(url, PoolLimits(size=2), IdempotencyStore(bytes(32), ttl_seconds=60))
    current_call.set(Call(method="/stagely.benchmarks.Depth/Measure", peer="unix:", request_id="depth"))
    async with db.read() as session:
        for listed in await _lists(session):
            first, deep = Page(PAGE_SIZE), await listed.deepest(session, depth)
            ratios = [await _ratio(listed, session, first, deep, number) for number in range(rounds + _WARMUP)]
            ratio = Spread.of(ratios[_WARMUP:])
            print(f"{listed.name:28} {ratio.median:.2f} ({ratio.lowest:.2f}-{ratio.highest:.2f})", flush=True)
    await db.close()


async def _ratio(listed: Listed, session: Session, first: Page, deep: Page, number: int) -> float:
    """Return the ratio of one round. The order of the two pages alternates."""
    order = (first, deep) if number % 2 else (deep, first)
    seconds = {page: await listed.seconds(session, page) for page in order}
    return seconds[deep] / seconds[first]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.depth", description=__doc__.partition("\n")[0])
    parser.add_argument("url", help="of a populated database")
    parser.add_argument("--rounds", type=int, default=101, help="read each page so many times (default: 101)")
    parser.add_argument("--depth", type=int, default=DEPTH, help=f"the number of the deep page (default: {DEPTH})")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.url, arguments.rounds, arguments.depth))


if __name__ == "__main__":
    main()
