"""A slice that forgets to say what its call is about answers no user: as if all of them forgot, RPC by RPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
from sqlalchemy import true
from structlog.processors import format_exc_info
from structlog.testing import capture_logs

from stagely.v1.annotations_pb2 import ACTING_FOR_SELF, ACTING_FOR_TEAMMATE
from stagely_rpc import access
from stagely_rpc.access import locking
from tests.support.access.policies import policy_of
from tests.support.access.requests import request_of
from tests.support.access.stage import EVERYTHING
from tests.support.eventually import logged
from tests.support.identified import headers_of
from tests.support.methods import METHODS
from tests.support.refusals import refused
from tests.support.world import Renewable

if TYPE_CHECKING:
    from stagely_rpc.access import ResourceRef
    from stagely_rpc.db.session import Session
    from stagely_rpc.db.sql.statement import Query
    from stagely_rpc.errors import NotFoundError
    from tests.support.access.stage import Stage
    from tests.support.methods import Method
    from tests.support.world import World

DECIDED_BY_A_SLICE = [
    method
    for method in METHODS
    if policy_of(method).role or policy_of(method).acting_for in (ACTING_FOR_SELF, ACTING_FOR_TEAMMATE)
]


@pytest.fixture
def forgetful_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is decided once a call is admitted."""

    async def forget(*_: Any) -> None: ...

    async def authorize_and_fetch(
        session: Session, _ref: ResourceRef, _hidden: NotFoundError, query: Query[Any]
    ) -> Any:
        (result,) = await session.ask(query)
        return result

    for name in ("require_team", "require_project", "require_user"):
        monkeypatch.setattr(access, name, forget)
    for name in ("visible", "visible_by_project", "visible_users"):
        monkeypatch.setattr(access, name, lambda *_: true())
    monkeypatch.setattr(access, "require_rank", lambda *_: None)
    monkeypatch.setattr(locking, "decide", lambda *_: None)
    monkeypatch.setattr(access, "authorize_and_fetch", authorize_and_fetch)


@pytest.mark.usefixtures("forgetful_slices")
@pytest.mark.parametrize("method", DECIDED_BY_A_SLICE, ids=str)
async def test_what_nobody_decided_is_not_answered_and_not_done(stage: Stage, world: World, method: Method) -> None:
    about = await Renewable(stage.operator, method.name, world).ready()
    request = request_of(method, about, 0)

    async with stage.unchanged():
        with capture_logs(processors=[format_exc_info]) as logs, refused(grpc.StatusCode.INTERNAL):
            await stage.ask(method.name, request, stage.cast["owner"])
        (log,) = await logged(logs, 1, event="internal error")
    assert "did not name the owner" in log["exception"]


@pytest.mark.usefixtures("forgetful_slices")
@pytest.mark.parametrize("method", [method for method in DECIDED_BY_A_SLICE if method.is_streaming], ids=str)
async def test_of_a_stream_that_nobody_decided_not_even_the_first_is_sent(
    stage: Stage, world: World, method: Method
) -> None:
    stream: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = stage.channel.unary_stream(method.path)
    request = request_of(method, world, 0).SerializeToString()

    call = stream(request, metadata=headers_of(EVERYTHING, stage.cast["owner"]))

    with refused(grpc.StatusCode.INTERNAL):
        await call.read()


@pytest.mark.usefixtures("forgetful_slices")
async def test_a_service_itself_needs_no_decision(stage: Stage, world: World) -> None:
    for method in DECIDED_BY_A_SLICE:
        if "page_token" in method.input.fields_by_name:
            await stage.ask(method.name, request_of(method, world, 0))
