"""Environment: see the service in the contract. Generated from protos/ by `make generate`: not to be edited."""

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
    """EnvironmentService keeps preview environments: one VM each, for one pull request or for a branch.

    An environment is live while it is pending, building, deploying or ready, and open until it is terminated or
    reaped: a failed one is open and not live. A pull request has at most one open environment; a team has at most
    `max_concurrent_stagelets` live ones over all its projects. Both hold under any concurrency.

    Work starts with CreateEnvironment, EnsureEnvironment and the step to building. None of it starts in a deleted
    team or an archived project; there, environments can still be ended.
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
        """CreateEnvironment adds a pending environment and gives it a URL of its own.

        Codes:
        - NOT_FOUND: there is no such project.
        - ALREADY_EXISTS: the pull request has an open environment, a failed one included: EnsureEnvironment moves that. This is told even
          where the quota is used up too.
        - FAILED_PRECONDITION: the team is deleted (reason TEAM_DELETED), or the project archived (PROJECT_ARCHIVED).
        - RESOURCE_EXHAUSTED: the team's quota is used up (ENVIRONMENT_QUOTA_EXCEEDED).
        - ABORTED: the random subdomain was taken, each of the times that the service tried: retry.

        Args:
            project_id: Required.
            pr_number: The pull request to show, 1 or more; unset for none. Of environments without one there may be any
                number.
            branch_name: Required. A valid git branch name of at most 255 characters.
            commit_hash: Required. 7 to 40 hexadecimal digits; kept in lower case.
            request_id: A UUID, by which a repetition is known.
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
        """EnsureEnvironment sees to it that a pull request has a live environment for a commit, whatever it has now:

        - no open one: creates one, as CreateEnvironment does;
        - a live one for this commit: leaves it as it is, to the etag;
        - a live one for another commit: moves it to this commit and branch, and from ready to building. While it is pending, building or
          deploying its status stays;
        - a failed one: moves it to this commit and branch, and to building; this takes up quota again.

        Which of two commits is the newer one is the caller's to know: of two calls, the later moves the environment.
        Commits are compared as they are written, so write them in full.

        Codes:
        - NOT_FOUND: there is no such project.
        - FAILED_PRECONDITION: the team is deleted (reason TEAM_DELETED), or the project archived (PROJECT_ARCHIVED).
        - RESOURCE_EXHAUSTED: the team's quota is used up (ENVIRONMENT_QUOTA_EXCEEDED).
        - ABORTED: the random subdomain was taken, each of the times that the service tried: retry.

        Args:
            project_id: Required.
            pr_number: Required. 1 or more.
            branch_name: Required. As in CreateEnvironmentRequest.
            commit_hash: Required. As in CreateEnvironmentRequest.
            request_id: A UUID, by which a repetition is known.
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
        """GetEnvironment returns one environment: by its id or `subdomain_hash` whatever its status is, or the open one
        of a pull request.

        Codes:
        - NOT_FOUND: there is no such environment; or the pull request has none that is open.

        Args:
            id: Or else subdomain_hash or pull_request.
            subdomain_hash: Upper case is taken for lower case, as in host names.
            pull_request: The open environment of this pull request.
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
            page_size: At most this many environments.
            page_token: `next_page_token` of the page before.
            project_id: Only those of this project.
            team_id: Only those of this team's projects.
            statuses: Only those in one of these statuses. Empty: in any.
            pr_number: Only those of pull requests with this number; with `project_id`, of that one.
            branch_name: Only those of this branch.
            live_only: Only live ones. With `statuses`, those that are both.
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
        """UpdateEnvironment records what is the case: where the VM of an environment is, which commit it runs, what it
        is thought to cost. The VM and the cost can be recorded whatever the status is, and all of it in a deleted
        team and an archived project too. The status is TransitionEnvironment's.

        Codes:
        - NOT_FOUND: there is no such environment.
        - FAILED_PRECONDITION: `commit_hash` would change and the environment is terminated or reaped (reason ENVIRONMENT_CLOSED).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            vm_id: 1 to 255 characters.
            vm_ip: An IPv4 or IPv6 address without zone or mask, in any spelling; it is returned in the canonical one.
            vm_status: Cleared, it is VM_STATUS_PENDING again.
            commit_hash: As in CreateEnvironmentRequest; can't be cleared.
            estimated_cost_usd_micros: 0 to 999,999,999,900, a multiple of 100: costs are kept to a hundredth of a cent.
                Cleared, it is 0 again.
            request_id: A UUID, by which a repetition is known.
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
        """TransitionEnvironment changes the status of an environment, along these lines and no others:

        | from                                        | to                           |
        |---------------------------------------------|------------------------------| | pending
        | building                     | | building                                    | deploying
        | | deploying                                   | ready                        | | ready
        | building, deploying          | | pending, building, deploying, ready         | failed
        | | failed                                      | building, for another try    | | pending, building,
        deploying, ready, failed | terminated, reaped: for good |

        A status never changes to itself: of several callers that ask for one step, one takes it. From failed to
        building an environment takes up quota again.

        In an archived project, what is under way may go on to deploying and ready, but nothing may start building.
        In a deleted team, neither: environments there can only fail or end.

        Codes:
        - NOT_FOUND: there is no such environment.
        - FAILED_PRECONDITION: the status can't follow on the present one (reason ILLEGAL_TRANSITION); or the team is deleted
          (TEAM_DELETED) or the project archived (PROJECT_ARCHIVED), and the step is not for them.
        - RESOURCE_EXHAUSTED: the team's quota is used up (ENVIRONMENT_QUOTA_EXCEEDED).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            status: Required.
            request_id: A UUID, by which a repetition is known.
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
        """TerminateEnvironment ends an environment for good: TransitionEnvironment to terminated. It frees the quota
        and the pull request; its VM is the caller's to take down.

        Codes:
        - NOT_FOUND: there is no such environment.
        - FAILED_PRECONDITION: the environment is terminated or reaped already (reason ILLEGAL_TRANSITION).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            request_id: A UUID, by which a repetition is known.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            environment_pb2.TerminateEnvironmentRequest,
            {"id": id, "etag": etag, "request_id": request_id or new_request_id()},
        )
        response = await self._calls.unary(self._rpcs.TerminateEnvironment, request, timeout)
        return response.environment


class SyncEnvironments:
    """EnvironmentService keeps preview environments: one VM each, for one pull request or for a branch.

    An environment is live while it is pending, building, deploying or ready, and open until it is terminated or
    reaped: a failed one is open and not live. A pull request has at most one open environment; a team has at most
    `max_concurrent_stagelets` live ones over all its projects. Both hold under any concurrency.

    Work starts with CreateEnvironment, EnsureEnvironment and the step to building. None of it starts in a deleted
    team or an archived project; there, environments can still be ended.
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
        """CreateEnvironment adds a pending environment and gives it a URL of its own.

        Codes:
        - NOT_FOUND: there is no such project.
        - ALREADY_EXISTS: the pull request has an open environment, a failed one included: EnsureEnvironment moves that. This is told even
          where the quota is used up too.
        - FAILED_PRECONDITION: the team is deleted (reason TEAM_DELETED), or the project archived (PROJECT_ARCHIVED).
        - RESOURCE_EXHAUSTED: the team's quota is used up (ENVIRONMENT_QUOTA_EXCEEDED).
        - ABORTED: the random subdomain was taken, each of the times that the service tried: retry.

        Args:
            project_id: Required.
            pr_number: The pull request to show, 1 or more; unset for none. Of environments without one there may be any
                number.
            branch_name: Required. A valid git branch name of at most 255 characters.
            commit_hash: Required. 7 to 40 hexadecimal digits; kept in lower case.
            request_id: A UUID, by which a repetition is known.
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
        """EnsureEnvironment sees to it that a pull request has a live environment for a commit, whatever it has now:

        - no open one: creates one, as CreateEnvironment does;
        - a live one for this commit: leaves it as it is, to the etag;
        - a live one for another commit: moves it to this commit and branch, and from ready to building. While it is pending, building or
          deploying its status stays;
        - a failed one: moves it to this commit and branch, and to building; this takes up quota again.

        Which of two commits is the newer one is the caller's to know: of two calls, the later moves the environment.
        Commits are compared as they are written, so write them in full.

        Codes:
        - NOT_FOUND: there is no such project.
        - FAILED_PRECONDITION: the team is deleted (reason TEAM_DELETED), or the project archived (PROJECT_ARCHIVED).
        - RESOURCE_EXHAUSTED: the team's quota is used up (ENVIRONMENT_QUOTA_EXCEEDED).
        - ABORTED: the random subdomain was taken, each of the times that the service tried: retry.

        Args:
            project_id: Required.
            pr_number: Required. 1 or more.
            branch_name: Required. As in CreateEnvironmentRequest.
            commit_hash: Required. As in CreateEnvironmentRequest.
            request_id: A UUID, by which a repetition is known.
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
        """GetEnvironment returns one environment: by its id or `subdomain_hash` whatever its status is, or the open one
        of a pull request.

        Codes:
        - NOT_FOUND: there is no such environment; or the pull request has none that is open.

        Args:
            id: Or else subdomain_hash or pull_request.
            subdomain_hash: Upper case is taken for lower case, as in host names.
            pull_request: The open environment of this pull request.
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
            page_size: At most this many environments.
            page_token: `next_page_token` of the page before.
            project_id: Only those of this project.
            team_id: Only those of this team's projects.
            statuses: Only those in one of these statuses. Empty: in any.
            pr_number: Only those of pull requests with this number; with `project_id`, of that one.
            branch_name: Only those of this branch.
            live_only: Only live ones. With `statuses`, those that are both.
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
        """UpdateEnvironment records what is the case: where the VM of an environment is, which commit it runs, what it
        is thought to cost. The VM and the cost can be recorded whatever the status is, and all of it in a deleted
        team and an archived project too. The status is TransitionEnvironment's.

        Codes:
        - NOT_FOUND: there is no such environment.
        - FAILED_PRECONDITION: `commit_hash` would change and the environment is terminated or reaped (reason ENVIRONMENT_CLOSED).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            vm_id: 1 to 255 characters.
            vm_ip: An IPv4 or IPv6 address without zone or mask, in any spelling; it is returned in the canonical one.
            vm_status: Cleared, it is VM_STATUS_PENDING again.
            commit_hash: As in CreateEnvironmentRequest; can't be cleared.
            estimated_cost_usd_micros: 0 to 999,999,999,900, a multiple of 100: costs are kept to a hundredth of a cent.
                Cleared, it is 0 again.
            request_id: A UUID, by which a repetition is known.
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
        """TransitionEnvironment changes the status of an environment, along these lines and no others:

        | from                                        | to                           |
        |---------------------------------------------|------------------------------| | pending
        | building                     | | building                                    | deploying
        | | deploying                                   | ready                        | | ready
        | building, deploying          | | pending, building, deploying, ready         | failed
        | | failed                                      | building, for another try    | | pending, building,
        deploying, ready, failed | terminated, reaped: for good |

        A status never changes to itself: of several callers that ask for one step, one takes it. From failed to
        building an environment takes up quota again.

        In an archived project, what is under way may go on to deploying and ready, but nothing may start building.
        In a deleted team, neither: environments there can only fail or end.

        Codes:
        - NOT_FOUND: there is no such environment.
        - FAILED_PRECONDITION: the status can't follow on the present one (reason ILLEGAL_TRANSITION); or the team is deleted
          (TEAM_DELETED) or the project archived (PROJECT_ARCHIVED), and the step is not for them.
        - RESOURCE_EXHAUSTED: the team's quota is used up (ENVIRONMENT_QUOTA_EXCEEDED).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            status: Required.
            request_id: A UUID, by which a repetition is known.
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
        """TerminateEnvironment ends an environment for good: TransitionEnvironment to terminated. It frees the quota
        and the pull request; its VM is the caller's to take down.

        Codes:
        - NOT_FOUND: there is no such environment.
        - FAILED_PRECONDITION: the environment is terminated or reaped already (reason ILLEGAL_TRANSITION).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            request_id: A UUID, by which a repetition is known.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            environment_pb2.TerminateEnvironmentRequest,
            {"id": id, "etag": etag, "request_id": request_id or new_request_id()},
        )
        response = self._calls.unary(self._rpcs.TerminateEnvironment, request, timeout)
        return response.environment
