"""The requests of EnvironmentService as validated models."""

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
        raise ValueError("must be letters and digits, separated by single hyphens, such as pr-12-a8f9d2k1p4m7")
    return text


def _ip_address(value: Any) -> Any:  # noqa: ANN401
    if not isinstance(value, str):
        return value
    try:
        address = ip_address(value)
    except ValueError:
        raise ValueError("must be an IPv4 or IPv6 address") from None
    if isinstance(address, IPv6Address) and address.scope_id:
        raise ValueError("must have no zone, because zones are local to one machine")
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
"""A cost in millionths of a US dollar. It must be a multiple of the column's resolution, so that nothing is rounded."""


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
        """Return the name for error messages."""
        return f"{self.project_id}/{self.pr_number}"


class PullRequestHead(PullRequest):
    """A pull request, and the commit that its environment must have."""

    branch_name: BranchName
    commit_hash: CommitHash


class EnvironmentKey(Input):
    """The key of an environment: its id, its subdomain, or a pull request for its open environment."""

    id: ResourceId | None = None
    subdomain_hash: SubdomainHash | None = None
    pull_request: PullRequest | None = None


class EnvironmentFilter(Input):
    """The filters of a list of environments."""

    project_id: ResourceId | None = None
    team_id: ResourceId | None = None
    statuses: frozenset[Status] = frozenset()
    pr_number: PrNumber | None = None
    branch_name: BranchName | None = None
    live_only: bool = False


class EnvironmentChanges(Input):
    """The fields of an environment that can be recorded. A cleared field gets its default."""

    vm_id: VmId | None = None
    vm_ip: VmIp | None = None
    vm_status: VmStatus = "pending"
    commit_hash: CommitHash
    estimated_cost_usd_micros: CostMicros = 0


class Transition(Target):
    """The new status of an environment."""

    status: Status
