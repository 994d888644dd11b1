"""The open-loop load of the benchmarks: it starts calls at a fixed rate, even if earlier calls have not ended."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from benchmarks.open_loop import Offer, Outcome, perform
from benchmarks.overload import row
from stagely.v1 import id_pb2

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from stagely_rpc.server.server import Server

SECONDS = 1.0


def offer_to(server: Server, request: Message, *, calls_per_second: float = 50, deadline_seconds: float = 20) -> Offer:
    body = base64.b64encode(request.SerializeToString()).decode()
    requests = [("/stagely.v1.IdService/GenerateId", body)]
    return Offer(f"127.0.0.1:{server.port}", [], requests, 2, calls_per_second, SECONDS, deadline_seconds)


async def test_calls_start_at_the_given_rate_and_all_are_counted(server: Server) -> None:
    outcome = await perform(offer_to(server, id_pb2.GenerateIdRequest()))

    assert 0 < outcome.good == outcome.offered <= 51
    assert (outcome.late, outcome.refused) == (0, 0)
    assert outcome.seconds >= SECONDS


async def test_refused_calls_do_not_count_as_goodput(server: Server) -> None:
    outcome = await perform(offer_to(server, id_pb2.GenerateIdRequest(length=1000)))

    assert 0 < outcome.refused == outcome.offered
    assert outcome.good == 0


def test_row_shows_the_goodput_and_its_share_of_the_best() -> None:
    line = row(3, 1000, Outcome(offered=6000, good=1600, late=400, refused=4000, seconds=2), 123.4)

    assert line.split() == ["3x", "3000", "800", "0.80", "2000", "200", "123.4"]
