"""Team: see the service in the contract. Generated from protos/ by `make generate`. Do not edit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from stagely.v1 import team_pb2, team_pb2_grpc
from stagely_rpc.client.paging import Pager, SyncPager
from stagely_rpc.client.requests import UNSET, build, build_update, new_request_id

if TYPE_CHECKING:
    from stagely_rpc.client.calls import Calls
    from stagely_rpc.client.requests import Unset
    from stagely_rpc.client.sync_calls import SyncCalls

BillingPlanName = Literal["free", "pro", "enterprise"]
TeamRoleName = Literal["owner", "admin", "member", "viewer"]


class Teams:
    """TeamService manages teams, the top-level tenants, and their members."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._rpcs = team_pb2_grpc.TeamServiceStub(calls.channel)

    async def create(
        self,
        *,
        slug: str,
        name: str,
        billing_email: str | None = None,
        billing_plan: team_pb2.BillingPlan.ValueType | BillingPlanName | None = None,
        max_concurrent_stagelets: int | None = None,
        max_concurrent_builds: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> team_pb2.Team:
        """CreateTeam adds a team. The acting user becomes its owner. Without an acting user the team has no members;
        add the first with AddTeamMember.

        Codes:
        - ALREADY_EXISTS: the slug is taken (TEAM_SLUG_TAKEN). Deleted teams keep their slugs.

        Args:
            slug: Required. 2 to 100 characters: lower-case letters, digits and hyphens. Must not start or end with a
                hyphen.
            name: Required. 1 to 255 characters.
            billing_email: An e-mail address of at most 255 characters.
            billing_plan: Default: BILLING_PLAN_FREE.
            max_concurrent_stagelets: 0 to 100,000. Default: 5.
            max_concurrent_builds: 0 to 100,000. Default: 10.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            team_pb2.CreateTeamRequest,
            {
                "slug": slug,
                "name": name,
                "billing_email": billing_email,
                "billing_plan": billing_plan,
                "max_concurrent_stagelets": max_concurrent_stagelets,
                "max_concurrent_builds": max_concurrent_builds,
                "request_id": request_id or new_request_id(),
            },
        )
        response = await self._calls.unary(self._rpcs.CreateTeam, request, timeout)
        return response.team

    async def get(
        self, id: str | None = None, *, slug: str | None = None, timeout: float | None = None
    ) -> team_pb2.Team:
        """GetTeam returns one team by its id or slug. It also returns deleted teams; their `deleted_at` is set.

        Codes:
        - NOT_FOUND: there is no such team.

        Args:
            id: Give exactly one of id and slug.
            slug: Give exactly one of id and slug.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(team_pb2.GetTeamRequest, {"id": id, "slug": slug})
        response = await self._calls.unary(self._rpcs.GetTeam, request, timeout)
        return response.team

    def list(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        show_deleted: bool | None = None,
        user_id: str | None = None,
        billing_plan: team_pb2.BillingPlan.ValueType | BillingPlanName | None = None,
        timeout: float | None = None,
    ) -> Pager[team_pb2.Team, team_pb2.ListTeamsResponse]:
        """ListTeams returns teams, newest first. It omits deleted teams unless `show_deleted` is set.

        Args:
            page_size: Maximum number of teams. Default: 50, maximum: 500.
            page_token: The `next_page_token` of the previous page. Empty: the first page.
            show_deleted: Whether to include deleted teams.
            user_id: Only teams with this user as a member.
            billing_plan: Only teams on this plan.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            team_pb2.ListTeamsRequest,
            {
                "page_size": page_size,
                "page_token": page_token,
                "show_deleted": show_deleted,
                "user_id": user_id,
                "billing_plan": billing_plan,
            },
        )
        return Pager(
            lambda page: self._calls.unary(self._rpcs.ListTeams, page, timeout), request, lambda page: page.teams
        )

    async def update(
        self,
        id: str,
        *,
        etag: str | None = None,
        name: str | None | Unset = UNSET,
        billing_email: str | None | Unset = UNSET,
        billing_plan: team_pb2.BillingPlan.ValueType | BillingPlanName | None | Unset = UNSET,
        max_concurrent_stagelets: int | None | Unset = UNSET,
        max_concurrent_builds: int | None | Unset = UNSET,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> team_pb2.Team:
        """UpdateTeam changes the name, the billing or the quotas of a team. The slug can't change. A quota below the
        current usage stops nothing that runs; it applies to the next start.

        Codes:
        - NOT_FOUND: there is no such team.
        - FAILED_PRECONDITION: the team is deleted (TEAM_DELETED).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            name: As in CreateTeamRequest. Can't be cleared.
            billing_email: As in CreateTeamRequest.
            billing_plan: Cleared: BILLING_PLAN_FREE.
            max_concurrent_stagelets: Cleared: 5.
            max_concurrent_builds: Cleared: 10.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build_update(
            team_pb2.UpdateTeamRequest,
            {"id": id, "etag": etag, "request_id": request_id or new_request_id()},
            {
                "name": name,
                "billing_email": billing_email,
                "billing_plan": billing_plan,
                "max_concurrent_stagelets": max_concurrent_stagelets,
                "max_concurrent_builds": max_concurrent_builds,
            },
        )
        response = await self._calls.unary(self._rpcs.UpdateTeam, request, timeout)
        return response.team

    async def delete(
        self,
        id: str,
        *,
        etag: str | None = None,
        force: bool | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> team_pb2.Team:
        """DeleteTeam deletes a team softly (AIP-164). ListTeams omits it, nothing can be created or changed in it, and
        its slug stays taken. Its resources stay readable. UndeleteTeam restores the team.

        Codes:
        - NOT_FOUND: there is no such team.
        - FAILED_PRECONDITION: the team is already deleted (TEAM_DELETED); or it has live environments, and `force`
          is not set (TEAM_HAS_LIVE_ENVIRONMENTS).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            force: Delete the team even if it has live environments. They keep their status until the reaper ends them.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            team_pb2.DeleteTeamRequest,
            {"id": id, "etag": etag, "force": force, "request_id": request_id or new_request_id()},
        )
        response = await self._calls.unary(self._rpcs.DeleteTeam, request, timeout)
        return response.team

    async def undelete(
        self, id: str, *, etag: str | None = None, request_id: str | None = None, timeout: float | None = None
    ) -> team_pb2.Team:
        """UndeleteTeam restores a deleted team with all its resources.

        Codes:
        - NOT_FOUND: there is no such team.
        - FAILED_PRECONDITION: the team is not deleted (TEAM_NOT_DELETED).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            team_pb2.UndeleteTeamRequest, {"id": id, "etag": etag, "request_id": request_id or new_request_id()}
        )
        response = await self._calls.unary(self._rpcs.UndeleteTeam, request, timeout)
        return response.team

    async def add_member(
        self,
        *,
        team_id: str,
        user_id: str,
        role: team_pb2.TeamRole.ValueType | TeamRoleName | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> team_pb2.TeamMember:
        """AddTeamMember makes a user a member of a team. Any user can be added, including users who share no team with
        the acting user.

        Codes:
        - NOT_FOUND: there is no such team, or no such user.
        - ALREADY_EXISTS: the user is already a member (TEAM_MEMBER_EXISTS).
        - PERMISSION_DENIED: the role is above the acting user's own role (ROLE_ABOVE_OWN).
        - FAILED_PRECONDITION: the team is deleted (TEAM_DELETED), or the user is deactivated (USER_DEACTIVATED).

        Args:
            team_id: Required.
            user_id: Required.
            role: Default: TEAM_ROLE_MEMBER.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            team_pb2.AddTeamMemberRequest,
            {"team_id": team_id, "user_id": user_id, "role": role, "request_id": request_id or new_request_id()},
        )
        response = await self._calls.unary(self._rpcs.AddTeamMember, request, timeout)
        return response.member

    async def update_member(
        self,
        *,
        team_id: str,
        user_id: str,
        role: team_pb2.TeamRole.ValueType | TeamRoleName,
        etag: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> team_pb2.TeamMember:
        """UpdateTeamMember changes the role of a member.

        Codes:
        - PERMISSION_DENIED: the member's current or new role is above the acting user's own role (ROLE_ABOVE_OWN).
        - NOT_FOUND: there is no such team, or the user is not a member of it.
        - FAILED_PRECONDITION: the change would leave the team without an owner (LAST_OWNER); or the team is deleted
          (TEAM_DELETED).
        - ABORTED: the etag is stale.

        Args:
            team_id: Required.
            user_id: Required.
            role: Required.
            etag: The expected etag of the membership. Unset: no check.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            team_pb2.UpdateTeamMemberRequest,
            {
                "team_id": team_id,
                "user_id": user_id,
                "role": role,
                "etag": etag,
                "request_id": request_id or new_request_id(),
            },
        )
        response = await self._calls.unary(self._rpcs.UpdateTeamMember, request, timeout)
        return response.member

    async def remove_member(
        self,
        *,
        team_id: str,
        user_id: str,
        etag: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """RemoveTeamMember ends a user's membership in a team.

        Codes:
        - PERMISSION_DENIED: the member's role is above the acting user's own role (ROLE_ABOVE_OWN).
        - NOT_FOUND: there is no such team, or the user is not a member of it.
        - FAILED_PRECONDITION: the member is the last owner of the team (LAST_OWNER); or the team is deleted
          (TEAM_DELETED).
        - ABORTED: the etag is stale.

        Args:
            team_id: Required.
            user_id: Required.
            etag: The expected etag of the membership. Unset: no check.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            team_pb2.RemoveTeamMemberRequest,
            {"team_id": team_id, "user_id": user_id, "etag": etag, "request_id": request_id or new_request_id()},
        )
        await self._calls.unary(self._rpcs.RemoveTeamMember, request, timeout)

    def list_members(
        self,
        *,
        team_id: str,
        page_size: int | None = None,
        page_token: str | None = None,
        role: team_pb2.TeamRole.ValueType | TeamRoleName | None = None,
        timeout: float | None = None,
    ) -> Pager[team_pb2.TeamMember, team_pb2.ListTeamMembersResponse]:
        """ListTeamMembers returns the members of a team, newest first.

        Codes:
        - NOT_FOUND: there is no such team.

        Args:
            team_id: Required.
            page_size: Maximum number of members. Default: 50, maximum: 500.
            page_token: The `next_page_token` of the previous page. Empty: the first page.
            role: Only members with this role.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            team_pb2.ListTeamMembersRequest,
            {"team_id": team_id, "page_size": page_size, "page_token": page_token, "role": role},
        )
        return Pager(
            lambda page: self._calls.unary(self._rpcs.ListTeamMembers, page, timeout),
            request,
            lambda page: page.members,
        )


class SyncTeams:
    """TeamService manages teams, the top-level tenants, and their members."""

    def __init__(self, calls: SyncCalls) -> None:
        self._calls = calls
        self._rpcs = team_pb2_grpc.TeamServiceStub(calls.channel)

    def create(
        self,
        *,
        slug: str,
        name: str,
        billing_email: str | None = None,
        billing_plan: team_pb2.BillingPlan.ValueType | BillingPlanName | None = None,
        max_concurrent_stagelets: int | None = None,
        max_concurrent_builds: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> team_pb2.Team:
        """CreateTeam adds a team. The acting user becomes its owner. Without an acting user the team has no members;
        add the first with AddTeamMember.

        Codes:
        - ALREADY_EXISTS: the slug is taken (TEAM_SLUG_TAKEN). Deleted teams keep their slugs.

        Args:
            slug: Required. 2 to 100 characters: lower-case letters, digits and hyphens. Must not start or end with a
                hyphen.
            name: Required. 1 to 255 characters.
            billing_email: An e-mail address of at most 255 characters.
            billing_plan: Default: BILLING_PLAN_FREE.
            max_concurrent_stagelets: 0 to 100,000. Default: 5.
            max_concurrent_builds: 0 to 100,000. Default: 10.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            team_pb2.CreateTeamRequest,
            {
                "slug": slug,
                "name": name,
                "billing_email": billing_email,
                "billing_plan": billing_plan,
                "max_concurrent_stagelets": max_concurrent_stagelets,
                "max_concurrent_builds": max_concurrent_builds,
                "request_id": request_id or new_request_id(),
            },
        )
        response = self._calls.unary(self._rpcs.CreateTeam, request, timeout)
        return response.team

    def get(self, id: str | None = None, *, slug: str | None = None, timeout: float | None = None) -> team_pb2.Team:
        """GetTeam returns one team by its id or slug. It also returns deleted teams; their `deleted_at` is set.

        Codes:
        - NOT_FOUND: there is no such team.

        Args:
            id: Give exactly one of id and slug.
            slug: Give exactly one of id and slug.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(team_pb2.GetTeamRequest, {"id": id, "slug": slug})
        response = self._calls.unary(self._rpcs.GetTeam, request, timeout)
        return response.team

    def list(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        show_deleted: bool | None = None,
        user_id: str | None = None,
        billing_plan: team_pb2.BillingPlan.ValueType | BillingPlanName | None = None,
        timeout: float | None = None,
    ) -> SyncPager[team_pb2.Team, team_pb2.ListTeamsResponse]:
        """ListTeams returns teams, newest first. It omits deleted teams unless `show_deleted` is set.

        Args:
            page_size: Maximum number of teams. Default: 50, maximum: 500.
            page_token: The `next_page_token` of the previous page. Empty: the first page.
            show_deleted: Whether to include deleted teams.
            user_id: Only teams with this user as a member.
            billing_plan: Only teams on this plan.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            team_pb2.ListTeamsRequest,
            {
                "page_size": page_size,
                "page_token": page_token,
                "show_deleted": show_deleted,
                "user_id": user_id,
                "billing_plan": billing_plan,
            },
        )
        return SyncPager(
            lambda page: self._calls.unary(self._rpcs.ListTeams, page, timeout), request, lambda page: page.teams
        )

    def update(
        self,
        id: str,
        *,
        etag: str | None = None,
        name: str | None | Unset = UNSET,
        billing_email: str | None | Unset = UNSET,
        billing_plan: team_pb2.BillingPlan.ValueType | BillingPlanName | None | Unset = UNSET,
        max_concurrent_stagelets: int | None | Unset = UNSET,
        max_concurrent_builds: int | None | Unset = UNSET,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> team_pb2.Team:
        """UpdateTeam changes the name, the billing or the quotas of a team. The slug can't change. A quota below the
        current usage stops nothing that runs; it applies to the next start.

        Codes:
        - NOT_FOUND: there is no such team.
        - FAILED_PRECONDITION: the team is deleted (TEAM_DELETED).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            name: As in CreateTeamRequest. Can't be cleared.
            billing_email: As in CreateTeamRequest.
            billing_plan: Cleared: BILLING_PLAN_FREE.
            max_concurrent_stagelets: Cleared: 5.
            max_concurrent_builds: Cleared: 10.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build_update(
            team_pb2.UpdateTeamRequest,
            {"id": id, "etag": etag, "request_id": request_id or new_request_id()},
            {
                "name": name,
                "billing_email": billing_email,
                "billing_plan": billing_plan,
                "max_concurrent_stagelets": max_concurrent_stagelets,
                "max_concurrent_builds": max_concurrent_builds,
            },
        )
        response = self._calls.unary(self._rpcs.UpdateTeam, request, timeout)
        return response.team

    def delete(
        self,
        id: str,
        *,
        etag: str | None = None,
        force: bool | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> team_pb2.Team:
        """DeleteTeam deletes a team softly (AIP-164). ListTeams omits it, nothing can be created or changed in it, and
        its slug stays taken. Its resources stay readable. UndeleteTeam restores the team.

        Codes:
        - NOT_FOUND: there is no such team.
        - FAILED_PRECONDITION: the team is already deleted (TEAM_DELETED); or it has live environments, and `force`
          is not set (TEAM_HAS_LIVE_ENVIRONMENTS).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            force: Delete the team even if it has live environments. They keep their status until the reaper ends them.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            team_pb2.DeleteTeamRequest,
            {"id": id, "etag": etag, "force": force, "request_id": request_id or new_request_id()},
        )
        response = self._calls.unary(self._rpcs.DeleteTeam, request, timeout)
        return response.team

    def undelete(
        self, id: str, *, etag: str | None = None, request_id: str | None = None, timeout: float | None = None
    ) -> team_pb2.Team:
        """UndeleteTeam restores a deleted team with all its resources.

        Codes:
        - NOT_FOUND: there is no such team.
        - FAILED_PRECONDITION: the team is not deleted (TEAM_NOT_DELETED).
        - ABORTED: the etag is stale.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            team_pb2.UndeleteTeamRequest, {"id": id, "etag": etag, "request_id": request_id or new_request_id()}
        )
        response = self._calls.unary(self._rpcs.UndeleteTeam, request, timeout)
        return response.team

    def add_member(
        self,
        *,
        team_id: str,
        user_id: str,
        role: team_pb2.TeamRole.ValueType | TeamRoleName | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> team_pb2.TeamMember:
        """AddTeamMember makes a user a member of a team. Any user can be added, including users who share no team with
        the acting user.

        Codes:
        - NOT_FOUND: there is no such team, or no such user.
        - ALREADY_EXISTS: the user is already a member (TEAM_MEMBER_EXISTS).
        - PERMISSION_DENIED: the role is above the acting user's own role (ROLE_ABOVE_OWN).
        - FAILED_PRECONDITION: the team is deleted (TEAM_DELETED), or the user is deactivated (USER_DEACTIVATED).

        Args:
            team_id: Required.
            user_id: Required.
            role: Default: TEAM_ROLE_MEMBER.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            team_pb2.AddTeamMemberRequest,
            {"team_id": team_id, "user_id": user_id, "role": role, "request_id": request_id or new_request_id()},
        )
        response = self._calls.unary(self._rpcs.AddTeamMember, request, timeout)
        return response.member

    def update_member(
        self,
        *,
        team_id: str,
        user_id: str,
        role: team_pb2.TeamRole.ValueType | TeamRoleName,
        etag: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> team_pb2.TeamMember:
        """UpdateTeamMember changes the role of a member.

        Codes:
        - PERMISSION_DENIED: the member's current or new role is above the acting user's own role (ROLE_ABOVE_OWN).
        - NOT_FOUND: there is no such team, or the user is not a member of it.
        - FAILED_PRECONDITION: the change would leave the team without an owner (LAST_OWNER); or the team is deleted
          (TEAM_DELETED).
        - ABORTED: the etag is stale.

        Args:
            team_id: Required.
            user_id: Required.
            role: Required.
            etag: The expected etag of the membership. Unset: no check.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            team_pb2.UpdateTeamMemberRequest,
            {
                "team_id": team_id,
                "user_id": user_id,
                "role": role,
                "etag": etag,
                "request_id": request_id or new_request_id(),
            },
        )
        response = self._calls.unary(self._rpcs.UpdateTeamMember, request, timeout)
        return response.member

    def remove_member(
        self,
        *,
        team_id: str,
        user_id: str,
        etag: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """RemoveTeamMember ends a user's membership in a team.

        Codes:
        - PERMISSION_DENIED: the member's role is above the acting user's own role (ROLE_ABOVE_OWN).
        - NOT_FOUND: there is no such team, or the user is not a member of it.
        - FAILED_PRECONDITION: the member is the last owner of the team (LAST_OWNER); or the team is deleted
          (TEAM_DELETED).
        - ABORTED: the etag is stale.

        Args:
            team_id: Required.
            user_id: Required.
            etag: The expected etag of the membership. Unset: no check.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            team_pb2.RemoveTeamMemberRequest,
            {"team_id": team_id, "user_id": user_id, "etag": etag, "request_id": request_id or new_request_id()},
        )
        self._calls.unary(self._rpcs.RemoveTeamMember, request, timeout)

    def list_members(
        self,
        *,
        team_id: str,
        page_size: int | None = None,
        page_token: str | None = None,
        role: team_pb2.TeamRole.ValueType | TeamRoleName | None = None,
        timeout: float | None = None,
    ) -> SyncPager[team_pb2.TeamMember, team_pb2.ListTeamMembersResponse]:
        """ListTeamMembers returns the members of a team, newest first.

        Codes:
        - NOT_FOUND: there is no such team.

        Args:
            team_id: Required.
            page_size: Maximum number of members. Default: 50, maximum: 500.
            page_token: The `next_page_token` of the previous page. Empty: the first page.
            role: Only members with this role.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            team_pb2.ListTeamMembersRequest,
            {"team_id": team_id, "page_size": page_size, "page_token": page_token, "role": role},
        )
        return SyncPager(
            lambda page: self._calls.unary(self._rpcs.ListTeamMembers, page, timeout),
            request,
            lambda page: page.members,
        )
