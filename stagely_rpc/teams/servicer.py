"""TeamService over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely.v1 import team_pb2, team_pb2_grpc
from stagely_rpc.fields import Target
from stagely_rpc.teams import service
from stagely_rpc.teams.convert import member_to_proto, team_to_proto
from stagely_rpc.teams.inputs import (
    MemberChange,
    MemberFilter,
    MemberTarget,
    NewMember,
    NewTeam,
    TeamChanges,
    TeamDeletion,
    TeamFilter,
    TeamKey,
)
from stagely_rpc.wire.requests import parse, parse_changes

if TYPE_CHECKING:
    from stagely_rpc.db.database import Database
    from stagely_rpc.wire.context import Context
    from stagely_rpc.wire.paging import PageTokens


class TeamServicer(team_pb2_grpc.TeamServiceServicer):
    """Teams and their members."""

    def __init__(self, db: Database, pages: PageTokens) -> None:
        self._db = db
        self._pages = pages

    async def CreateTeam(self, request: team_pb2.CreateTeamRequest, context: Context) -> team_pb2.CreateTeamResponse:
        new = parse(NewTeam, request)
        async with self._db.write() as session:
            team = await service.create_team(session, new)
            return session.answer(team_pb2.CreateTeamResponse(team=team_to_proto(team)))

    async def GetTeam(self, request: team_pb2.GetTeamRequest, context: Context) -> team_pb2.GetTeamResponse:
        key = parse(TeamKey, request)
        async with self._db.read() as session:
            team = await service.get_team(session, key)
            return team_pb2.GetTeamResponse(team=team_to_proto(team))

    async def ListTeams(self, request: team_pb2.ListTeamsRequest, context: Context) -> team_pb2.ListTeamsResponse:
        wanted, page = parse(TeamFilter, request), self._pages.page(request)
        async with self._db.read() as session:
            found = await service.list_teams(session, wanted, page)
            return team_pb2.ListTeamsResponse(
                teams=map(team_to_proto, found.rows), next_page_token=self._pages.next_page_token(request, found.last)
            )

    async def UpdateTeam(self, request: team_pb2.UpdateTeamRequest, context: Context) -> team_pb2.UpdateTeamResponse:
        target, changes = parse(Target, request), parse_changes(TeamChanges, request, team_pb2.Team.DESCRIPTOR)
        async with self._db.write() as session:
            team = await service.update_team(session, target, changes)
            return session.answer(team_pb2.UpdateTeamResponse(team=team_to_proto(team)))

    async def DeleteTeam(self, request: team_pb2.DeleteTeamRequest, context: Context) -> team_pb2.DeleteTeamResponse:
        deletion = parse(TeamDeletion, request)
        async with self._db.write() as session:
            team = await service.delete_team(session, deletion)
            return session.answer(team_pb2.DeleteTeamResponse(team=team_to_proto(team)))

    async def UndeleteTeam(
        self, request: team_pb2.UndeleteTeamRequest, context: Context
    ) -> team_pb2.UndeleteTeamResponse:
        target = parse(Target, request)
        async with self._db.write() as session:
            team = await service.undelete_team(session, target)
            return session.answer(team_pb2.UndeleteTeamResponse(team=team_to_proto(team)))

    async def AddTeamMember(
        self, request: team_pb2.AddTeamMemberRequest, context: Context
    ) -> team_pb2.AddTeamMemberResponse:
        new = parse(NewMember, request)
        async with self._db.write() as session:
            member = await service.add_member(session, new)
            return session.answer(team_pb2.AddTeamMemberResponse(member=member_to_proto(member)))

    async def UpdateTeamMember(
        self, request: team_pb2.UpdateTeamMemberRequest, context: Context
    ) -> team_pb2.UpdateTeamMemberResponse:
        change = parse(MemberChange, request)
        async with self._db.write() as session:
            member = await service.update_member(session, change)
            return session.answer(team_pb2.UpdateTeamMemberResponse(member=member_to_proto(member)))

    async def RemoveTeamMember(
        self, request: team_pb2.RemoveTeamMemberRequest, context: Context
    ) -> team_pb2.RemoveTeamMemberResponse:
        target = parse(MemberTarget, request)
        async with self._db.write() as session:
            await service.remove_member(session, target)
            return session.answer(team_pb2.RemoveTeamMemberResponse())

    async def ListTeamMembers(
        self, request: team_pb2.ListTeamMembersRequest, context: Context
    ) -> team_pb2.ListTeamMembersResponse:
        wanted, page = parse(MemberFilter, request), self._pages.page(request)
        async with self._db.read() as session:
            found = await service.list_members(session, wanted, page)
            return team_pb2.ListTeamMembersResponse(
                members=map(member_to_proto, found.rows),
                next_page_token=self._pages.next_page_token(request, found.last),
            )
