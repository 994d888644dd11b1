"""Environment: see the service in the contract. Generated from protos/ by `make generate`. Do not edit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from stagely.v1 import environment_pb2, environment_pb2_grpc
from stagely_rpc.client.paging import Pager, SyncPager
from stagely_rpc.client.requests import UNSET, build, build_update, new_request_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stagely_rpc.client.calls import Calls
    from stagely_rpc.client.requests import Unset
    from stagely_rpc.client.sync_calls import SyncCalls

EnvironmentStatusName = Literal["pending", "building", "deploying", "ready", "failed", "terminated", "reaped"]
VmStatusName = Literal["pending", "provisioning", "running", "stopped", "terminated"]


class Environments:
    """EnvironmentService manages preview environments: one VM each, for a pull request or a branch.

    An environment is live while it is pending, building, deploying or ready. It is open until it is terminated or
    reaped; a failed environment is open and not live. A pull request has at most one open environment. A team has at
    most `max_concurrent_stagelets` live environments in all its projects. Both limits are exact under concurrent
    calls.

    Work starts with CreateEnvironment, EnsureEnvironment and the transition to building. No work can start in a
    deleted team or an archived project, but environments can still be ended there.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._rpcs = environment_pb2_grpc.EnvironmentServiceStub(calls.channel)

    async def create(
        self,
        *,
        project_id: str,
        branch_name: str,
        commit_hash: str,
        pr_number: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> environment_pb2.Environment:
        """CreateEnvironment adds a pending environment with its own URL.

        Codes:
        - NOT_FOUND: there is no such project.
        - ALREADY_EXISTS: the pull request has an open environment, which may be a failed one (ENVIRONMENT_EXISTS).
          EnsureEnvironment reuses it. This code takes precedence over RESOURCE_EXHAUSTED.
        - FAILED_PRECONDITION: the team is deleted (TEAM_DELETED), or the project is archived (PROJECT_ARCHIVED).
        - RESOURCE_EXHAUSTED: the team's quota is used up (ENVIRONMENT_QUOTA_EXCEEDED).
        - ABORTED: each random subdomain that the service tried was taken: retry.

        Args:
            project_id: Required.
            pr_number: The number of the pull request, 1 or more. Unset: the environment has no pull request. The number
                of such environments is not limited.
            branch_name: Required. A valid git branch name of at most 255 characters.
            commit_hash: Required. 7 to 40 hexadecimal digits. Stored in lower case.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            environment_pb2.CreateEnvironmentRequest,
            {
                "project_id": project_id,
                "pr_number": pr_number,
                "branch_name": branch_name,
                "commit_hash": commit_hash,
                "request_id": request_id or new_request_id(),
            },
        )
        response = await self._calls.unary(self._rpcs.CreateEnvironment, request, timeout)
        return response.environment

    async def ensure(
        self,
        *,
        project_id: str,
        pr_number: int,
        branch_name: str,
        commit_hash: str,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> environment_pb2.EnsureEnvironmentResponse:
        """EnsureEnvironment makes sure that a pull request has a live environment for a commit. What it does depends on
        the pull request's open environment:

        - none: it creates one, as CreateEnvironment does;
        - live, for this commit: it changes nothing, not even the etag;
        - live, for another commit: it sets the commit and the branch. A ready environment becomes building; pending,
          building and deploying stay;
        - failed: it sets the commit and the branch, and the status becomes building. The environment counts against
          the quota again.

        The service does not know which of two commits is newer: the last call wins. Commit hashes are compared as
        text, so send full hashes.

        Codes:
        - NOT_FOUND: there is no such project.
        - FAILED_PRECONDITION: the team is deleted (TEAM_DELETED), or the project is archived (PROJECT_ARCHIVED).
        - RESOURCE_EXHAUSTED: the team's quota is used up (ENVIRONMENT_QUOTA_EXCEEDED).
        - ABORTED: each random subdomain that the service tried was taken: retry.

        Args:
            project_id: Required.
            pr_number: Required. 1 or more.
            branch_name: Required. As in CreateEnvironmentRequest.
            commit_hash: Required. As in CreateEnvironmentRequest.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            environment_pb2.EnsureEnvironmentRequest,
            {
                "project_id": project_id,
                "pr_number": pr_number,
                "branch_name": branch_name,
                "commit_hash": commit_hash,
                "request_id": request_id or new_request_id(),
            },
        )
        return await self._calls.unary(self._rpcs.EnsureEnvironment, request, timeout)

    async def get(
        self,
        id: str | None = None,
        *,
        subdomain_hash: str | None = None,
        pull_request: environment_pb2.PullRequest | Mapping[str, object] | None = None,
        timeout: float | None = None,
    ) -> environment_pb2.Environment:
        """GetEnvironment returns one environment: by its id or `subdomain_hash` in any status, or the open environment
        of a pull request.

        Codes:
        - NOT_FOUND: there is no such environment, or the pull request has no open environment.

        Args:
            id: Give exactly one of id, subdomain_hash and pull_request.
            subdomain_hash: Case-insensitive, as host names are. Give exactly one of id, subdomain_hash and
                pull_request.
            pull_request: The open environment of this pull request. Give exactly one of id, subdomain_hash and
                pull_request.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            environment_pb2.GetEnvironmentRequest,
            {"id": id, "subdomain_hash": subdomain_hash, "pull_request": pull_request},
        )
        response = await self._calls.unary(self._rpcs.GetEnvironment, request, timeout)
        return response.environment

    def list(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        project_id: str | None = None,
        team_id: str | None = None,
        statuses: Iterable[environment_pb2.EnvironmentStatus.ValueType | EnvironmentStatusName] | None = None,
        pr_number: int | None = None,
        branch_name: str | None = None,
        live_only: bool | None = None,
        timeout: float | None = None,
    ) -> Pager[environment_pb2.Environment, environment_pb2.ListEnvironmentsResponse]:
        """ListEnvironments returns environments, newest first.

        Args:
            page_size: Maximum number of environments. Default: 50, maximum: 500.
            page_token: The `next_page_token` of the previous page. Empty: the first page.
            project_id: Only environments of this project.
            team_id: Only environments of this team's projects.
            statuses: Only environments with one of these statuses. Empty: any status.
            pr_number: Only environments with this pull request number. Combine with `project_id` to select one pull
                request.
            branch_name: Only environments of this branch.
            live_only: Only live environments. Combined with `statuses`, both filters apply.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            environment_pb2.ListEnvironmentsRequest,
            {
                "page_size": page_size,
                "page_token": page_token,
                "project_id": project_id,
                "team_id": team_id,
                "statuses": statuses,
                "pr_number": pr_number,
                "branch_name": branch_name,
                "live_only": live_only,
            },
        )
        return Pager(
            lambda page: self._calls.unary(self._rpcs.ListEnvironments, page, timeout),
            request,
            lambda page: page.environments,
        )

    async def update(
        self,
        id: str,
        *,
        etag: str | None = None,
        vm_id: str | None | Unset = UNSET,
        vm_ip: str | None | Unset = UNSET,
        vm_status: environment_pb2.VmStatus.ValueType | VmStatusName | None | Unset = UNSET,
        commit_hash: str | None | Unset = UNSET,
        estimated_cost_usd_micros: int | None | Unset = UNSET,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> environment_pb2.Environment:
        """UpdateEnvironment records facts about an environment: its VM, its commit and its estimated cost. The VM and
        the cost can be recorded in any status. All fields can be recorded in a deleted team and an archived project
        too. To change the status, use TransitionEnvironment.

        Codes:
        - NOT_FOUND: there is no such environment.
        - FAILED_PRECONDITION: `commit_hash` would change and the environment is terminated or reaped
          (ENVIRONMENT_CLOSED).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            vm_id: 1 to 255 characters.
            vm_ip: An IPv4 or IPv6 address without zone or mask, in any notation. It is returned in canonical notation.
            vm_status: Cleared: VM_STATUS_PENDING.
            commit_hash: As in CreateEnvironmentRequest. Can't be cleared.
            estimated_cost_usd_micros: 0 to 999,999,999,900, a multiple of 100 (a hundredth of a cent). Cleared: 0.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build_update(
            environment_pb2.UpdateEnvironmentRequest,
            {"id": id, "etag": etag, "request_id": request_id or new_request_id()},
            {
                "vm_id": vm_id,
                "vm_ip": vm_ip,
                "vm_status": vm_status,
                "commit_hash": commit_hash,
                "estimated_cost_usd_micros": estimated_cost_usd_micros,
            },
        )
        response = await self._calls.unary(self._rpcs.UpdateEnvironment, request, timeout)
        return response.environment

    async def transition(
        self,
        id: str,
        *,
        status: environment_pb2.EnvironmentStatus.ValueType | EnvironmentStatusName,
        etag: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> environment_pb2.Environment:
        """TransitionEnvironment changes the status of an environment. These transitions are allowed:

        | from                                        | to                           |
        |---------------------------------------------|------------------------------|
        | pending                                     | building                     |
        | building                                    | deploying                    |
        | deploying                                   | ready                        |
        | ready                                       | building, deploying          |
        | pending, building, deploying, ready         | failed                       |
        | failed                                      | building, for another try    |
        | pending, building, deploying, ready, failed | terminated, reaped (final)   |

        A status never changes to itself, so if several callers request the same transition, exactly one succeeds.
        The transition from failed to building counts against the quota again.

        In an archived project, environments that are building or deploying can become deploying and ready, but none
        can start building. In a deleted team, environments can only fail or end.

        Codes:
        - NOT_FOUND: there is no such environment.
        - FAILED_PRECONDITION: the table does not have the transition (ILLEGAL_TRANSITION); or the team is deleted
          (TEAM_DELETED) or the project is archived (PROJECT_ARCHIVED), which forbids the transition.
        - RESOURCE_EXHAUSTED: the team's quota is used up (ENVIRONMENT_QUOTA_EXCEEDED).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            status: Required.
            etag: The expected etag of the resource. Unset: no check.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            environment_pb2.TransitionEnvironmentRequest,
            {"id": id, "status": status, "etag": etag, "request_id": request_id or new_request_id()},
        )
        response = await self._calls.unary(self._rpcs.TransitionEnvironment, request, timeout)
        return response.environment

    async def terminate(
        self, id: str, *, etag: str | None = None, request_id: str | None = None, timeout: float | None = None
    ) -> environment_pb2.Environment:
        """TerminateEnvironment ends an environment permanently, as TransitionEnvironment to terminated does. The
        environment no longer counts against the quota, and the pull request can get a new one. The caller must
        delete the VM.

        Codes:
        - NOT_FOUND: there is no such environment.
        - FAILED_PRECONDITION: the environment is already terminated or reaped (ILLEGAL_TRANSITION).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            environment_pb2.TerminateEnvironmentRequest,
            {"id": id, "etag": etag, "request_id": request_id or new_request_id()},
        )
        response = await self._calls.unary(self._rpcs.TerminateEnvironment, request, timeout)
        return response.environment


class SyncEnvironments:
    """EnvironmentService manages preview environments: one VM each, for a pull request or a branch.

    An environment is live while it is pending, building, deploying or ready. It is open until it is terminated or
    reaped; a failed environment is open and not live. A pull request has at most one open environment. A team has at
    most `max_concurrent_stagelets` live environments in all its projects. Both limits are exact under concurrent
    calls.

    Work starts with CreateEnvironment, EnsureEnvironment and the transition to building. No work can start in a
    deleted team or an archived project, but environments can still be ended there.
    """

    def __init__(self, calls: SyncCalls) -> None:
        self._calls = calls
        self._rpcs = environment_pb2_grpc.EnvironmentServiceStub(calls.channel)

    def create(
        self,
        *,
        project_id: str,
        branch_name: str,
        commit_hash: str,
        pr_number: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> environment_pb2.Environment:
        """CreateEnvironment adds a pending environment with its own URL.

        Codes:
        - NOT_FOUND: there is no such project.
        - ALREADY_EXISTS: the pull request has an open environment, which may be a failed one (ENVIRONMENT_EXISTS).
          EnsureEnvironment reuses it. This code takes precedence over RESOURCE_EXHAUSTED.
        - FAILED_PRECONDITION: the team is deleted (TEAM_DELETED), or the project is archived (PROJECT_ARCHIVED).
        - RESOURCE_EXHAUSTED: the team's quota is used up (ENVIRONMENT_QUOTA_EXCEEDED).
        - ABORTED: each random subdomain that the service tried was taken: retry.

        Args:
            project_id: Required.
            pr_number: The number of the pull request, 1 or more. Unset: the environment has no pull request. The number
                of such environments is not limited.
            branch_name: Required. A valid git branch name of at most 255 characters.
            commit_hash: Required. 7 to 40 hexadecimal digits. Stored in lower case.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            environment_pb2.CreateEnvironmentRequest,
            {
                "project_id": project_id,
                "pr_number": pr_number,
                "branch_name": branch_name,
                "commit_hash": commit_hash,
                "request_id": request_id or new_request_id(),
            },
        )
        response = self._calls.unary(self._rpcs.CreateEnvironment, request, timeout)
        return response.environment

    def ensure(
        self,
        *,
        project_id: str,
        pr_number: int,
        branch_name: str,
        commit_hash: str,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> environment_pb2.EnsureEnvironmentResponse:
        """EnsureEnvironment makes sure that a pull request has a live environment for a commit. What it does depends on
        the pull request's open environment:

        - none: it creates one, as CreateEnvironment does;
        - live, for this commit: it changes nothing, not even the etag;
        - live, for another commit: it sets the commit and the branch. A ready environment becomes building; pending,
          building and deploying stay;
        - failed: it sets the commit and the branch, and the status becomes building. The environment counts against
          the quota again.

        The service does not know which of two commits is newer: the last call wins. Commit hashes are compared as
        text, so send full hashes.

        Codes:
        - NOT_FOUND: there is no such project.
        - FAILED_PRECONDITION: the team is deleted (TEAM_DELETED), or the project is archived (PROJECT_ARCHIVED).
        - RESOURCE_EXHAUSTED: the team's quota is used up (ENVIRONMENT_QUOTA_EXCEEDED).
        - ABORTED: each random subdomain that the service tried was taken: retry.

        Args:
            project_id: Required.
            pr_number: Required. 1 or more.
            branch_name: Required. As in CreateEnvironmentRequest.
            commit_hash: Required. As in CreateEnvironmentRequest.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            environment_pb2.EnsureEnvironmentRequest,
            {
                "project_id": project_id,
                "pr_number": pr_number,
                "branch_name": branch_name,
                "commit_hash": commit_hash,
                "request_id": request_id or new_request_id(),
            },
        )
        return self._calls.unary(self._rpcs.EnsureEnvironment, request, timeout)

    def get(
        self,
        id: str | None = None,
        *,
        subdomain_hash: str | None = None,
        pull_request: environment_pb2.PullRequest | Mapping[str, object] | None = None,
        timeout: float | None = None,
    ) -> environment_pb2.Environment:
        """GetEnvironment returns one environment: by its id or `subdomain_hash` in any status, or the open environment
        of a pull request.

        Codes:
        - NOT_FOUND: there is no such environment, or the pull request has no open environment.

        Args:
            id: Give exactly one of id, subdomain_hash and pull_request.
            subdomain_hash: Case-insensitive, as host names are. Give exactly one of id, subdomain_hash and
                pull_request.
            pull_request: The open environment of this pull request. Give exactly one of id, subdomain_hash and
                pull_request.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            environment_pb2.GetEnvironmentRequest,
            {"id": id, "subdomain_hash": subdomain_hash, "pull_request": pull_request},
        )
        response = self._calls.unary(self._rpcs.GetEnvironment, request, timeout)
        return response.environment

    def list(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        project_id: str | None = None,
        team_id: str | None = None,
        statuses: Iterable[environment_pb2.EnvironmentStatus.ValueType | EnvironmentStatusName] | None = None,
        pr_number: int | None = None,
        branch_name: str | None = None,
        live_only: bool | None = None,
        timeout: float | None = None,
    ) -> SyncPager[environment_pb2.Environment, environment_pb2.ListEnvironmentsResponse]:
        """ListEnvironments returns environments, newest first.

        Args:
            page_size: Maximum number of environments. Default: 50, maximum: 500.
            page_token: The `next_page_token` of the previous page. Empty: the first page.
            project_id: Only environments of this project.
            team_id: Only environments of this team's projects.
            statuses: Only environments with one of these statuses. Empty: any status.
            pr_number: Only environments with this pull request number. Combine with `project_id` to select one pull
                request.
            branch_name: Only environments of this branch.
            live_only: Only live environments. Combined with `statuses`, both filters apply.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            environment_pb2.ListEnvironmentsRequest,
            {
                "page_size": page_size,
                "page_token": page_token,
                "project_id": project_id,
                "team_id": team_id,
                "statuses": statuses,
                "pr_number": pr_number,
                "branch_name": branch_name,
                "live_only": live_only,
            },
        )
        return SyncPager(
            lambda page: self._calls.unary(self._rpcs.ListEnvironments, page, timeout),
            request,
            lambda page: page.environments,
        )

    def update(
        self,
        id: str,
        *,
        etag: str | None = None,
        vm_id: str | None | Unset = UNSET,
        vm_ip: str | None | Unset = UNSET,
        vm_status: environment_pb2.VmStatus.ValueType | VmStatusName | None | Unset = UNSET,
        commit_hash: str | None | Unset = UNSET,
        estimated_cost_usd_micros: int | None | Unset = UNSET,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> environment_pb2.Environment:
        """UpdateEnvironment records facts about an environment: its VM, its commit and its estimated cost. The VM and
        the cost can be recorded in any status. All fields can be recorded in a deleted team and an archived project
        too. To change the status, use TransitionEnvironment.

        Codes:
        - NOT_FOUND: there is no such environment.
        - FAILED_PRECONDITION: `commit_hash` would change and the environment is terminated or reaped
          (ENVIRONMENT_CLOSED).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            vm_id: 1 to 255 characters.
            vm_ip: An IPv4 or IPv6 address without zone or mask, in any notation. It is returned in canonical notation.
            vm_status: Cleared: VM_STATUS_PENDING.
            commit_hash: As in CreateEnvironmentRequest. Can't be cleared.
            estimated_cost_usd_micros: 0 to 999,999,999,900, a multiple of 100 (a hundredth of a cent). Cleared: 0.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build_update(
            environment_pb2.UpdateEnvironmentRequest,
            {"id": id, "etag": etag, "request_id": request_id or new_request_id()},
            {
                "vm_id": vm_id,
                "vm_ip": vm_ip,
                "vm_status": vm_status,
                "commit_hash": commit_hash,
                "estimated_cost_usd_micros": estimated_cost_usd_micros,
            },
        )
        response = self._calls.unary(self._rpcs.UpdateEnvironment, request, timeout)
        return response.environment

    def transition(
        self,
        id: str,
        *,
        status: environment_pb2.EnvironmentStatus.ValueType | EnvironmentStatusName,
        etag: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> environment_pb2.Environment:
        """TransitionEnvironment changes the status of an environment. These transitions are allowed:

        | from                                        | to                           |
        |---------------------------------------------|------------------------------|
        | pending                                     | building                     |
        | building                                    | deploying                    |
        | deploying                                   | ready                        |
        | ready                                       | building, deploying          |
        | pending, building, deploying, ready         | failed                       |
        | failed                                      | building, for another try    |
        | pending, building, deploying, ready, failed | terminated, reaped (final)   |

        A status never changes to itself, so if several callers request the same transition, exactly one succeeds.
        The transition from failed to building counts against the quota again.

        In an archived project, environments that are building or deploying can become deploying and ready, but none
        can start building. In a deleted team, environments can only fail or end.

        Codes:
        - NOT_FOUND: there is no such environment.
        - FAILED_PRECONDITION: the table does not have the transition (ILLEGAL_TRANSITION); or the team is deleted
          (TEAM_DELETED) or the project is archived (PROJECT_ARCHIVED), which forbids the transition.
        - RESOURCE_EXHAUSTED: the team's quota is used up (ENVIRONMENT_QUOTA_EXCEEDED).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            status: Required.
            etag: The expected etag of the resource. Unset: no check.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            environment_pb2.TransitionEnvironmentRequest,
            {"id": id, "status": status, "etag": etag, "request_id": request_id or new_request_id()},
        )
        response = self._calls.unary(self._rpcs.TransitionEnvironment, request, timeout)
        return response.environment

    def terminate(
        self, id: str, *, etag: str | None = None, request_id: str | None = None, timeout: float | None = None
    ) -> environment_pb2.Environment:
        """TerminateEnvironment ends an environment permanently, as TransitionEnvironment to terminated does. The
        environment no longer counts against the quota, and the pull request can get a new one. The caller must
        delete the VM.

        Codes:
        - NOT_FOUND: there is no such environment.
        - FAILED_PRECONDITION: the environment is already terminated or reaped (ILLEGAL_TRANSITION).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            environment_pb2.TerminateEnvironmentRequest,
            {"id": id, "etag": etag, "request_id": request_id or new_request_id()},
        )
        response = self._calls.unary(self._rpcs.TerminateEnvironment, request, timeout)
        return response.environment
