"""Reads the metrics of a server as Prometheus does."""

from __future__ import annotations

import asyncio
import urllib.request
from typing import TYPE_CHECKING

import grpc
from prometheus_client.parser import text_string_to_metric_families

from stagely.v1 import secret_pb2, secret_pb2_grpc, team_pb2, team_pb2_grpc
from tests.support.refusals import refused
from tests.support.rpc import connected
from tests.support.secrets import VALUE, make_project

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagely_rpc.server.server import Server


class Scrape:
    """The result of one scrape."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families
            for sample in family.samples
        }

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self._values}

    def value(self, name: str, **labels: str) -> float:
        """Return the value of a sample; 0 if it is missing, because counters appear with their first increment."""
        return self._values.get((name, frozenset(labels.items())), 0)

    def labels_of(self, name: str) -> list[dict[str, str]]:
        return [dict(labels) for each, labels in self._values if each == name]


async def scrape(server: Server) -> Scrape:
    url = f"http://{server.endpoints.metrics}/metrics"

    def read() -> str:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return str(answer.read().decode())

    return Scrape(await asyncio.to_thread(read))


async def scraped_until(server: Server, condition: Callable[[Scrape], bool], *, seconds: float = 20) -> Scrape:
    """Scrape until `condition` is true. Some metrics are sampled only once a second."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition(found := await scrape(server)):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.1)
    return found


async def work(server: Server, database_url: str) -> None:
    """Make calls of several kinds: writes, reads, a list, a secret sealed and opened, and a NOT_FOUND."""
    async with connected(server) as channel:
        teams, secrets = team_pb2_grpc.TeamServiceStub(channel), secret_pb2_grpc.SecretServiceStub(channel)
        project_id = await make_project(teams, database_url)
        await teams.ListTeams(team_pb2.ListTeamsRequest())
        wanted = secret_pb2.SetSecretRequest(project_id=project_id, key="TOKEN", value=VALUE)
        stored = (await secrets.SetSecret(wanted)).secret
        found = await secrets.AccessSecret(secret_pb2.AccessSecretRequest(id=stored.id))
        assert found.value == VALUE
        with refused(grpc.StatusCode.NOT_FOUND):
            await teams.GetTeam(team_pb2.GetTeamRequest(slug="nobody"))
