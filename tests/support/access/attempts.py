"""Every kind of caller of an RPC, and the outcome that the RPC's policy requires for each."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from stagely.v1.annotations_pb2 import (
    ACTING_FOR_ANY_USER,
    ACTING_FOR_NOBODY,
    ACTING_FOR_SELF,
    ACTING_FOR_TEAMMATE,
)
from tests.support.access.policies import PERMISSIONS, ROLES, is_collection, policy_of, required_role
from tests.support.tokens import token, unsigned_token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagely.v1.annotations_pb2 import Policy
    from tests.support.methods import Method

IMPERSONATE = "users.impersonate"
SELF = "the user in the request"
STRANGERS = ("another team's owner", "member of no team")


_ALLOWED = {
    ACTING_FOR_SELF: {SELF},
    ACTING_FOR_TEAMMATE: {SELF, *ROLES},
    ACTING_FOR_ANY_USER: {SELF, *ROLES, *STRANGERS},
}


@dataclass(frozen=True)
class Outcome:
    """The outcome of a call.

    Attributes:
        code: the status code.
        reason: the reason of the refusal; empty if the call is granted.
        is_empty: whether the call is granted and lists no rows.
    """

    code: grpc.StatusCode
    reason: str = ""
    is_empty: bool = False

    @property
    def is_granted(self) -> bool:
        return self.code is grpc.StatusCode.OK


GRANTED = Outcome(grpc.StatusCode.OK)
EMPTY = Outcome(grpc.StatusCode.OK, is_empty=True)
HIDDEN = Outcome(grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND")


@dataclass(frozen=True)
class Attempt:
    """One way to call an RPC, and the expected outcome.

    Attributes:
        name: a label for messages.
        authorization: the authorization header; None for no header.
        acting_for: the acting user, by position; None for no user.
        outcome: the outcome that the policy requires.
    """

    name: str
    authorization: str | None
    outcome: Outcome
    acting_for: str | None = None


def attempts_on(method: Method) -> list[Attempt]:
    """Return every way to call an RPC."""
    policy = policy_of(method)
    return [
        *_without_identity(policy.permission),
        *_without_permission(policy.permission),
        *_with_permission(policy.permission),
        *_acting(method, policy),
    ]


def denied(reason: str) -> Outcome:
    return Outcome(grpc.StatusCode.PERMISSION_DENIED, reason)


def _without_identity(permission: str) -> Iterator[Attempt]:
    now = int(time.time())
    valid = token("reaper", permission)
    head, body, signature = valid.split(".")
    tokens = {
        "TOKEN_EXPIRED": token("reaper", permission, iat=now - 120, exp=now - 60),
        "TOKEN_NOT_YET_VALID": token("reaper", permission, nbf=now + 60),
        "TOKEN_SIGNATURE_INVALID": token("reaper", permission, secret="another secret that the service does not know"),
        "TOKEN_AUDIENCE_WRONG": token("reaper", permission, aud="another-service"),
        "TOKEN_ISSUER_WRONG": token("reaper", permission, iss="https://login.example.com"),
        "TOKEN_ALGORITHM_REFUSED": unsigned_token("reaper", permission),
    }
    credentials = {
        "no token": (None, "TOKEN_MISSING"),
        "another scheme": (f"Basic {valid}", "TOKEN_MALFORMED"),
        "a token without its scheme": (valid, "TOKEN_MALFORMED"),
        "not a JWT": ("Bearer sesame", "TOKEN_MALFORMED"),
        "half a token": (f"Bearer {head}.{body}", "TOKEN_MALFORMED"),
        "claims of another token": (
            f"Bearer {head}.{token('root', '*').split('.')[1]}.{signature}",
            "TOKEN_SIGNATURE_INVALID",
        ),
        "no expiry": (f"Bearer {token('reaper', permission, exp=None)}", "TOKEN_CLAIM_MISSING"),
        "no audience": (f"Bearer {token('reaper', permission, aud=None)}", "TOKEN_CLAIM_MISSING"),
        "no issuer": (f"Bearer {token('reaper', permission, iss=None)}", "TOKEN_CLAIM_MISSING"),
        **{reason: (f"Bearer {jwt}", reason) for reason, jwt in tokens.items()},
    }
    for name, (authorization, reason) in credentials.items():
        yield Attempt(name, authorization, Outcome(grpc.StatusCode.UNAUTHENTICATED, reason))


def _without_permission(permission: str) -> Iterator[Attempt]:
    kind, _, verb = permission.partition(".")
    others = sorted(PERMISSIONS - {permission} | {IMPERSONATE})
    scopes = {
        "no permission": (),
        "every other permission": others,
        "another verb": (f"{kind}.another", f"{kind}.{verb}_all", f"{kind}.{verb[:-1]}"),
        "all of other kinds": (*{f"{other.partition('.')[0]}.*" for other in others} - {f"{kind}.*"}, f"{kind[:-1]}.*"),
        "malformed permissions": (kind, verb, permission.upper(), f"{kind}.", f"*.{verb}", "**", f"{permission},"),
    }
    for name, scope in scopes.items():
        yield Attempt(name, _bearer(*scope), denied("PERMISSION_MISSING"))


def _with_permission(permission: str) -> Iterator[Attempt]:
    kind = permission.partition(".")[0]
    for scope in (permission, f"{kind}.*", "*", f"openid {permission} profile"):
        yield Attempt(scope, _bearer(scope), GRANTED)


def _acting(method: Method, policy: Policy) -> Iterator[Attempt]:
    without = _bearer(policy.permission, "impersonate", "users.impersonate_")
    yield Attempt("owner, without users.impersonate", without, denied("PERMISSION_MISSING"), "owner")
    for user in ("malformed", "unknown", "deactivated", *STRANGERS, *ROLES):
        outcome = _outcome_for(user, method, policy)
        yield Attempt(user, _bearer(policy.permission, IMPERSONATE), outcome, user)
    if policy.acting_for:
        yield Attempt(SELF, _bearer("*"), _outcome_for(SELF, method, policy), SELF)


def _outcome_for(user: str, method: Method, policy: Policy) -> Outcome:
    """Return the outcome that a policy requires for a service that acts for a user."""
    if user == "malformed":
        return Outcome(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    if policy.acting_for == ACTING_FOR_NOBODY:
        return denied("USER_NOT_ALLOWED")
    if user in {"unknown", "deactivated"}:
        return denied(f"ACTING_USER_{user.upper()}")
    if policy.acting_for:
        return GRANTED if user in _ALLOWED[policy.acting_for] else _hidden(method)
    return _outcome_by_role(user, method, policy)


def _outcome_by_role(user: str, method: Method, policy: Policy) -> Outcome:
    if user in STRANGERS:
        return _hidden(method)
    if ROLES.index(user) >= ROLES.index(required_role(policy)):
        return GRANTED
    return EMPTY if is_collection(method) else denied("ROLE_MISSING")


def _hidden(method: Method) -> Outcome:
    return EMPTY if is_collection(method) else HIDDEN


def _bearer(*permissions: str) -> str:
    return f"Bearer {token('reaper', *permissions)}"
