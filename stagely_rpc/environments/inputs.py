"""What callers send about environments."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from stagely_rpc.fields import GitRef, Input, Line, ResourceId, Target

Status = Literal["pending", "building", "deploying", "ready", "failed", "terminated", "reaped"]
VmStatus = Literal["pending", "provisioning", "running", "stopped", "terminated"]

_MAX_INT32 = 2**31 - 1
_MAX_COST_MICROS = 999_999_999_900
_COST_STEP_MICROS = 100


def _commit_hash(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{7,40}", text):
        raise ValueError("must be 7 to 40 hexadecimal digits")
    return text


def _subdomain_hash(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", text):
        raise ValueError("must be letters, digits and single hyphens between them, such as pr-12-a8f9d2k1p4m7")
    return text


def _ip_address(value: Any) -> Any:  # noqa: ANN401
    if not isinstance(value, str):
        return value
    try:
        address = ip_address(value)
    except ValueError:
        raise ValueError("must be an IPv4 or IPv6 address") from None
    if isinstance(address, IPv6Address) and address.scope_id:
        raise ValueError("must have no zone: it means nothing on another machine")
    return address


def _cost(micros: int) -> int:
    if micros % _COST_STEP_MICROS:
        raise ValueError(f"must be a multiple of {_COST_STEP_MICROS}")
    return micros


PrNumber = Annotated[int, Field(ge=1, le=_MAX_INT32)]
BranchName = Annotated[GitRef, StringConstraints(max_length=255)]
CommitHash = Annotated[str, StringConstraints(to_lower=True, max_length=40), AfterValidator(_commit_hash)]
SubdomainHash = Annotated[str, StringConstraints(to_lower=True, max_length=50), AfterValidator(_subdomain_hash)]
VmId = Annotated[Line, StringConstraints(min_length=1, max_length=255)]
VmIp = Annotated[IPv4Address | IPv6Address, BeforeValidator(_ip_address)]
CostMicros = Annotated[int, Field(ge=0, le=_MAX_COST_MICROS), AfterValidator(_cost)]
"""Millionths of a US dollar, none finer than the column keeps: nothing is rounded."""


class NewEnvironment(Input):
    """An environment to create."""

    project_id: ResourceId
    pr_number: PrNumber | None = None
    branch_name: BranchName
    commit_hash: CommitHash


class PullRequest(Input):
    """A pull request of a project."""

    project_id: ResourceId
    pr_number: PrNumber

    def __str__(self) -> str:
        """Name it as errors do."""
        return f"{self.project_id}/{self.pr_number}"


class PullRequestHead(PullRequest):
    """What the environment of a pull request is to show."""

    branch_name: BranchName
    commit_hash: CommitHash


class EnvironmentKey(Input):
    """Which environment: by one of its keys, or the open one of a pull request."""

    id: ResourceId | None = None
    subdomain_hash: SubdomainHash | None = None
    pull_request: PullRequest | None = None


class EnvironmentFilter(Input):
    """Which environments to list."""

    project_id: ResourceId | None = None
    team_id: ResourceId | None = None
    statuses: frozenset[Status] = frozenset()
    pr_number: PrNumber | None = None
    branch_name: BranchName | None = None
    live_only: bool = False


class EnvironmentChanges(Input):
    """What of an environment can be recorded; the defaults are what a cleared field gets."""

    vm_id: VmId | None = None
    vm_ip: VmIp | None = None
    vm_status: VmStatus = "pending"
    commit_hash: CommitHash
    estimated_cost_usd_micros: CostMicros = 0


class Transition(Target):
    """Which status an environment is to have."""

    status: Status
