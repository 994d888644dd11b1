"""The peer: the same reads as they are usually written, for comparison.

A synchronous gRPC server with a thread pool, and a SQLAlchemy session with an ORM object per call. It has as many
threads as connections, and none of the service's other features: no tokens, policies or logs. Run with
`python -m benchmarks.peer`, DATABASE_URL and PORT.
"""

from __future__ import annotations

import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import grpc
import psycopg
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session, sessionmaker

from benchmarks.floor_writes import DOMAIN
from benchmarks.pool import POOL_SIZE
from stagely.v1 import environment_pb2, environment_pb2_grpc, team_pb2, team_pb2_grpc
from stagely_rpc.db.models import Environment, Team
from stagely_rpc.environments.convert import environment_to_proto
from stagely_rpc.teams.convert import team_to_proto
from stagely_rpc.transport.options import OPTIONS


class TeamPeer(team_pb2_grpc.TeamServiceServicer):
    """Teams."""

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self._sessions = sessions

    def GetTeam(  # noqa: N802 - gRPC's name
        self, request: team_pb2.GetTeamRequest, context: grpc.ServicerContext
    ) -> team_pb2.GetTeamResponse:
        """Return a team by its id."""
        with self._sessions() as session:
            team = session.get(Team, uuid.UUID(request.id))
            if team is None:
                context.abort(grpc.StatusCode.NOT_FOUND, "no such team")
            return team_pb2.GetTeamResponse(team=team_to_proto(cast("Any", team)))


class EnvironmentPeer(environment_pb2_grpc.EnvironmentServiceServicer):
    """Environments."""

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self._sessions = sessions

    def GetEnvironment(  # noqa: N802 - gRPC's name
        self, request: environment_pb2.GetEnvironmentRequest, context: grpc.ServicerContext
    ) -> environment_pb2.GetEnvironmentResponse:
        """Return an environment by its subdomain."""
        with self._sessions() as session:
            environment = session.scalar(select(Environment).filter_by(subdomain_hash=request.subdomain_hash))
            if environment is None:
                context.abort(grpc.StatusCode.NOT_FOUND, "no such environment")
            message = environment_to_proto(cast("Any", environment), DOMAIN)
            return environment_pb2.GetEnvironmentResponse(environment=message)


def serve(conninfo: str, port: int) -> None:
    """Serve until the process is ended."""
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo), pool_size=POOL_SIZE, max_overflow=0
    )
    sessions = sessionmaker(engine)
    server = grpc.server(ThreadPoolExecutor(POOL_SIZE), options=OPTIONS)
    team_pb2_grpc.add_TeamServiceServicer_to_server(TeamPeer(sessions), server)  # type: ignore[abstract] # the rest is unimplemented
    environment_pb2_grpc.add_EnvironmentServiceServicer_to_server(EnvironmentPeer(sessions), server)  # type: ignore[abstract]
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    serve(os.environ["DATABASE_URL"], int(os.environ["PORT"]))
