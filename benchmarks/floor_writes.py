"""The floors of writes: one row, and the same rows as the service writes, in one statement."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.cases import VALUE
from stagely.v1 import environment_pb2, secret_pb2
from stagely_rpc.environments.convert import STATUS_TO_PROTO, environment_to_proto
from stagely_rpc.secrets.convert import secret_to_proto

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.message import Message

DOMAIN = "stagely.dev"

_STATUS = {number: name for name, number in STATUS_TO_PROTO.items()}
# As long as a secret's envelope.
_ENCRYPTED = f"v1.{'0' * 32}.{'A' * 76}"

_ADD_VALUE = """
    INSERT INTO secrets (id, project_id, key, encrypted_value, scope, secret_type)
    VALUES (%(id)s, %(project_id)s, %(key)s, %(encrypted_value)s, 'global', 'env') RETURNING *
"""
_REPLACE_VALUE = """
    UPDATE secrets SET encrypted_value = %(encrypted_value)s
    WHERE project_id = %(project_id)s AND key = %(key)s AND scope = 'global' RETURNING *
"""
_ADD_ENVIRONMENT = """
    INSERT INTO environments (project_id, branch_name, commit_hash, subdomain_hash)
    VALUES (%(project_id)s, %(branch_name)s, %(commit_hash)s, %(subdomain_hash)s) RETURNING *
"""
_MOVE_ENVIRONMENT = "UPDATE environments SET status = %(status)s WHERE id = %(id)s RETURNING *"

_AUDIT_COLUMNS = (
    "action, resource_type, resource_id, team_id, project_id, metadata, actor_service, actor_ip, request_id"
)
_ACCESSED = '{"key": "DATABASE_URL", "scope": "global", "version": 1}'
_VALUE_SET = '{"changes": {"encrypted_value": {"changed": true}}, "key": "NEW", "scope": "global", "version": 1}'
_CREATED = (
    '{"changes": {"status": {"new": "pending"}, "vm_status": {"new": "pending"}, "branch_name": {"new": "main"},'
    ' "commit_hash": {"new": "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d"}, "estimated_cost_usd": {"new": "0.0000"},'
    ' "project_id": {"new": "00000000-0000-0000-0000-000000000000"}, "subdomain_hash": {"new": "env-a8f9d2k1p4m7"}}}'
)
_MOVED = '{"changes": {"status": {"new": "deploying", "old": "building"}}}'


@dataclass(frozen=True)
class Write:
    """A floor.

    Attributes:
        request: the class of its request.
        statement: the statement between BEGIN and COMMIT, which returns a row.
        values: returns the parameters of the statement for a request.
        answer: returns the response for the row.
    """

    request: type[Message]
    statement: str
    values: Callable[[Any], Mapping[str, object]]
    answer: Callable[[Any], Message]

    def audited(self, action: str, details: str) -> Write:
        """Return the floor of the same rows: the resource, its audit entry, and the entry's queue row."""
        statement = f"""
            WITH resource AS ({self.statement}),
            logged AS (
                INSERT INTO audit_logs ({_AUDIT_COLUMNS})
                SELECT '{action}', '{action.partition(".")[0]}', id, project_id, project_id, '{details}',
                    'benchmark', '127.0.0.1', %(request_id)s
                FROM resource RETURNING timestamp, id
            ),
            queued AS (INSERT INTO audit_unsealed SELECT timestamp, id FROM logged)
            SELECT * FROM resource
        """  # noqa: S608 - of constants
        return Write(self.request, statement, self._with_request_id, self.answer)

    def _with_request_id(self, request: object) -> Mapping[str, object]:
        return {**self.values(request), "request_id": uuid.uuid4().hex}


def _log_access(*, queued: bool) -> Write:
    logged = f"""
        INSERT INTO audit_logs ({_AUDIT_COLUMNS})
        VALUES ('secret.access', 'secret', %(id)s, %(id)s, %(id)s, '{_ACCESSED}', 'benchmark', '127.0.0.1',
            %(request_id)s)
        RETURNING timestamp, id
    """  # noqa: S608 - of constants
    both = f"""
        WITH logged AS ({logged}) INSERT INTO audit_unsealed SELECT timestamp, id FROM logged RETURNING *
    """  # noqa: S608 - of constants
    return Write(
        secret_pb2.AccessSecretRequest,
        both if queued else logged,
        lambda request: {"id": uuid.UUID(request.id), "request_id": uuid.uuid4().hex},
        lambda _: secret_pb2.AccessSecretResponse(value=VALUE),
    )


def _secret_values(request: secret_pb2.SetSecretRequest) -> Mapping[str, object]:
    return {
        "id": uuid.uuid4(),
        "project_id": uuid.UUID(request.project_id),
        "key": request.key,
        "encrypted_value": _ENCRYPTED,
    }


def _secret_answer(row: Any) -> Message:  # noqa: ANN401 - a row
    return secret_pb2.SetSecretResponse(secret=secret_to_proto(row), created=True)


def _environment_values(request: environment_pb2.CreateEnvironmentRequest) -> Mapping[str, object]:
    return {
        "project_id": uuid.UUID(request.project_id),
        "branch_name": request.branch_name,
        "commit_hash": request.commit_hash,
        "subdomain_hash": f"env-{secrets.token_hex(6)}",
    }


def _transition_values(request: environment_pb2.TransitionEnvironmentRequest) -> Mapping[str, object]:
    return {"id": uuid.UUID(request.id), "status": _STATUS[request.status]}


def _created_answer(row: Any) -> Message:  # noqa: ANN401 - a row
    return environment_pb2.CreateEnvironmentResponse(environment=environment_to_proto(row, DOMAIN))


def _moved_answer(row: Any) -> Message:  # noqa: ANN401 - a row
    return environment_pb2.TransitionEnvironmentResponse(environment=environment_to_proto(row, DOMAIN))


_NEW_SECRET = Write(secret_pb2.SetSecretRequest, _ADD_VALUE, _secret_values, _secret_answer)
_CHANGED_SECRET = Write(secret_pb2.SetSecretRequest, _REPLACE_VALUE, _secret_values, _secret_answer)
_NEW_ENVIRONMENT = Write(
    environment_pb2.CreateEnvironmentRequest, _ADD_ENVIRONMENT, _environment_values, _created_answer
)
_MOVED_ENVIRONMENT = Write(
    environment_pb2.TransitionEnvironmentRequest, _MOVE_ENVIRONMENT, _transition_values, _moved_answer
)

WRITES = {
    "InsertAuditLog": _log_access(queued=False),
    "InsertQueuedAuditLog": _log_access(queued=True),
    "InsertSecret": _NEW_SECRET,
    "InsertAuditedSecret": _NEW_SECRET.audited("secret.set", _VALUE_SET),
    "UpdateSecret": _CHANGED_SECRET,
    "UpdateAuditedSecret": _CHANGED_SECRET.audited("secret.set", _VALUE_SET),
    "InsertEnvironment": _NEW_ENVIRONMENT,
    "InsertAuditedEnvironment": _NEW_ENVIRONMENT.audited("environment.create", _CREATED),
    "UpdateEnvironment": _MOVED_ENVIRONMENT,
    "UpdateAuditedEnvironment": _MOVED_ENVIRONMENT.audited("environment.transition", _MOVED),
}
