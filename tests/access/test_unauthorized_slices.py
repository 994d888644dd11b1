"""A call that its slice does not authorize fails. Each RPC is tested with the checks of all slices removed."""

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
from tests.support.access.auth_server import EVERYTHING
from tests.support.access.policies import policy_of
from tests.support.access.requests import request_of
from tests.support.call_metadata import headers_of
from tests.support.eventually import logged
from tests.support.methods import METHODS
from tests.support.refusals import refused
from tests.support.world import Renewable

if TYPE_CHECKING:
    from stagely_rpc.access import ResourceRef
    from stagely_rpc.db.session import Session
    from stagely_rpc.db.sql.statement import Query
    from stagely_rpc.errors import NotFoundError
    from tests.support.access.auth_server import AuthServer
    from tests.support.methods import Method
    from tests.support.world import World

AUTHORIZED_BY_A_SLICE = [
    method
    for method in METHODS
    if policy_of(method).role or policy_of(method).acting_for in (ACTING_FOR_SELF, ACTING_FOR_TEAMMATE)
]


@pytest.fixture
def unchecked_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace every check after admission with one that does nothing."""

    async def skip(*_: Any) -> None: ...

    async def authorize_and_fetch(
        session: Session, _ref: ResourceRef, _not_found: NotFoundError, query: Query[Any]
    ) -> Any:
        (result,) = await session.ask(query)
        return result

    for name in ("require_team", "require_project", "require_user"):
        monkeypatch.setattr(access, name, skip)
    for name in ("visible", "visible_by_project", "visible_users"):
        monkeypatch.setattr(access, name, lambda *_: true())
    monkeypatch.setattr(access, "require_rank", lambda *_: None)
    monkeypatch.setattr(locking, "check_role", lambda *_: None)
    monkeypatch.setattr(access, "authorize_and_fetch", authorize_and_fetch)


@pytest.mark.usefixtures("unchecked_slices")
@pytest.mark.parametrize("method", AUTHORIZED_BY_A_SLICE, ids=str)
async def test_unauthorized_call_is_refused_and_changes_nothing(
    auth_server: AuthServer, world: World, method: Method
) -> None:
    target = await Renewable(auth_server.operator, method.name, world).ready()
    request = request_of(method, target, 0)

    async with auth_server.unchanged():
        with capture_logs(processors=[format_exc_info]) as logs, refused(grpc.StatusCode.INTERNAL):
            await auth_server.call(method.name, request, auth_server.user_ids["owner"])
        (log,) = await logged(logs, 1, event="internal error")
    assert "did not name the owner" in log["exception"]


@pytest.mark.usefixtures("unchecked_slices")
@pytest.mark.parametrize("method", [method for method in AUTHORIZED_BY_A_SLICE if method.is_streaming], ids=str)
async def test_unauthorized_stream_sends_no_response(auth_server: AuthServer, world: World, method: Method) -> None:
    stream: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = auth_server.channel.unary_stream(method.path)
    request = request_of(method, world, 0).SerializeToString()

    call = stream(request, metadata=headers_of(EVERYTHING, auth_server.user_ids["owner"]))

    with refused(grpc.StatusCode.INTERNAL):
        await call.read()


@pytest.mark.usefixtures("unchecked_slices")
async def test_unauthorized_call_without_a_user_is_granted(auth_server: AuthServer, world: World) -> None:
    for method in AUTHORIZED_BY_A_SLICE:
        if "page_token" in method.input.fields_by_name:
            await auth_server.call(method.name, request_of(method, world, 0))
