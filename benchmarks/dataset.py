"""What the database holds while it is measured."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import psycopg

from benchmarks.cases import set_secret_requests
from stagely.v1 import secret_pb2_grpc

if TYPE_CHECKING:
    from benchmarks.processes import ServerProcess

_TEAMS = 1000
_ENVIRONMENTS = 1000

_FILL = """
INSERT INTO teams (slug, name) SELECT 'team-' || n, 'Team ' || n FROM generate_series(1, %(teams)s) n;
INSERT INTO projects (team_id, slug, name, repo_url)
SELECT id, 'shop', 'Shop', 'https://github.com/pallets/flask' FROM teams;
INSERT INTO environments (project_id, pr_number, branch_name, commit_hash, subdomain_hash, vm_id, vm_ip, status)
SELECT %(project)s::uuid, n, 'feature/login', repeat('a', 40), 'pr-' || n || '-a8f9d2k1p4m7', 'i-' || n, '10.0.0.1',
    'ready'
FROM generate_series(1, %(environments)s) n;
"""


@dataclass(frozen=True)
class Dataset:
    """The keys of what is read."""

    team_id: str
    project_id: str
    subdomain_hash: str
    secret_id: str


def populate(database_url: str, server: ServerProcess) -> Dataset:
    """Fill a migrated database: plain rows by SQL, secrets through the server, which encrypts them."""
    project_id = str(uuid.uuid4())
    with psycopg.connect(database_url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(
            "INSERT INTO teams (id, slug, name, billing_email) VALUES (%(id)s, 'acme', 'Acme', 'pay@acme.example');"
            "INSERT INTO projects (id, team_id, slug, name, repo_url)"
            " VALUES (%(id)s, %(id)s, 'acme', 'Acme', 'https://github.com/pallets/click')",
            {"id": project_id},
        )
        connection.execute(_FILL, {"teams": _TEAMS, "environments": _ENVIRONMENTS, "project": project_id})
        connection.execute("VACUUM ANALYZE")
    return Dataset(
        team_id=project_id,
        project_id=project_id,
        subdomain_hash="pr-500-a8f9d2k1p4m7",
        secret_id=_set_secrets(server, project_id),
    )


def _set_secrets(server: ServerProcess, project_id: str) -> str:
    """Set every secret once, so that what is measured changes rows and adds none; return the id of one."""
    with grpc.insecure_channel(server.target) as channel:
        stub = secret_pb2_grpc.SecretServiceStub(channel)
        answers = [stub.SetSecret(request, metadata=server.metadata) for request in set_secret_requests(project_id)]
    return answers[0].secret.id
