"""User: see the service in the contract. Generated from protos/ by `make generate`. Do not edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely.v1 import user_pb2, user_pb2_grpc
from stagely_rpc.client.paging import Pager, SyncPager
from stagely_rpc.client.requests import UNSET, build, build_update, new_request_id

if TYPE_CHECKING:
    from stagely_rpc.client.calls import Calls
    from stagely_rpc.client.requests import Unset
    from stagely_rpc.client.sync_calls import SyncCalls


class Users:
    """UserService manages user accounts. An account belongs to one person, and is linked to an e-mail address and to
    GitHub and Google accounts.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._rpcs = user_pb2_grpc.UserServiceStub(calls.channel)

    async def upsert(
        self,
        *,
        email: str,
        name: str,
        avatar_url: str | None = None,
        github_id: str | None = None,
        google_id: str | None = None,
        email_verified: bool | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> user_pb2.UpsertUserResponse:
        """UpsertUser records a login: it finds or creates the account of a person, and sets `last_login_at`.

        The account is looked up by `github_id` or `google_id`, then by e-mail address. The call updates the name,
        the e-mail address and, if set, `avatar_url`. It links an id of the other kind. Unset fields keep their
        stored values.

        A login proves its ids, and its e-mail address if `email_verified` is set. The owner of a verified address
        owns its account:

        - The first verified login of an account unlinks the ids that this login does not have, because anyone could
          have linked them.
        - An unverified address never replaces a verified one: the account keeps its address.
        - If a verified address belongs to an unverified account, and the ids to another account, the address moves
          to the latter. The unverified account gets the address `<id>@unclaimed.invalid`.
        - A login without a linked id and without a verified address gets only an account that is unverified and has
          no ids.

        Accounts are never merged. Parallel calls for one new person create one account.

        Codes:
        - ALREADY_EXISTS: a field belongs to another account, or the account already has a different id of that kind.
          The message names each such field. The reason names the first: USER_GITHUB_ID_CONFLICT,
          USER_GOOGLE_ID_CONFLICT or USER_EMAIL_TAKEN. Nothing was changed.
        - FAILED_PRECONDITION: the user is deactivated (USER_DEACTIVATED). Nothing was changed.

        Args:
            email: Required. An e-mail address of at most 255 characters. Stored in lower case.
            name: Required. 1 to 255 characters.
            avatar_url: An http or https URL of at most 2,000 characters. Unset: unchanged.
            github_id: 1 to 100 visible ASCII characters. Unset: unchanged.
            google_id: 1 to 100 visible ASCII characters. Unset: unchanged.
            email_verified: Whether the identity provider of this login has verified the e-mail address.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            user_pb2.UpsertUserRequest,
            {
                "email": email,
                "name": name,
                "avatar_url": avatar_url,
                "github_id": github_id,
                "google_id": google_id,
                "email_verified": email_verified,
                "request_id": request_id or new_request_id(),
            },
        )
        return await self._calls.unary(self._rpcs.UpsertUser, request, timeout)

    async def get(
        self,
        id: str | None = None,
        *,
        email: str | None = None,
        github_id: str | None = None,
        google_id: str | None = None,
        timeout: float | None = None,
    ) -> user_pb2.User:
        """GetUser returns one user, active or not.

        Codes:
        - NOT_FOUND: there is no such user.

        Args:
            id: Give exactly one of id, email, github_id and google_id.
            email: Case-insensitive. Give exactly one of id, email, github_id and google_id.
            github_id: Give exactly one of id, email, github_id and google_id.
            google_id: Give exactly one of id, email, github_id and google_id.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            user_pb2.GetUserRequest, {"id": id, "email": email, "github_id": github_id, "google_id": google_id}
        )
        response = await self._calls.unary(self._rpcs.GetUser, request, timeout)
        return response.user

    def list(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        is_active: bool | None = None,
        team_id: str | None = None,
        timeout: float | None = None,
    ) -> Pager[user_pb2.User, user_pb2.ListUsersResponse]:
        """ListUsers returns users, newest first.

        Args:
            page_size: Maximum number of users. Default: 50, maximum: 500.
            page_token: The `next_page_token` of the previous page. Empty: the first page.
            is_active: True: only active users. False: only deactivated ones.
            team_id: Only members of this team. An acting user must be a member of the team.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            user_pb2.ListUsersRequest,
            {"page_size": page_size, "page_token": page_token, "is_active": is_active, "team_id": team_id},
        )
        return Pager(
            lambda page: self._calls.unary(self._rpcs.ListUsers, page, timeout), request, lambda page: page.users
        )

    async def update(
        self,
        id: str,
        *,
        etag: str | None = None,
        name: str | None | Unset = UNSET,
        avatar_url: str | None | Unset = UNSET,
        is_active: bool | None | Unset = UNSET,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> user_pb2.User:
        """UpdateUser changes the name or the avatar of a user, or reactivates the user. Only UpsertUser changes the
        e-mail address and the ids.

        Codes:
        - NOT_FOUND: there is no such user.
        - ABORTED: the etag is stale. Each login changes the etag.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            name: As in UpsertUserRequest. Can't be cleared.
            avatar_url: As in UpsertUserRequest.
            is_active: Cleared: true.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build_update(
            user_pb2.UpdateUserRequest,
            {"id": id, "etag": etag, "request_id": request_id or new_request_id()},
            {"name": name, "avatar_url": avatar_url, "is_active": is_active},
        )
        response = await self._calls.unary(self._rpcs.UpdateUser, request, timeout)
        return response.user

    async def deactivate(
        self, id: str, *, etag: str | None = None, request_id: str | None = None, timeout: float | None = None
    ) -> user_pb2.User:
        """DeactivateUser deactivates a user. UpsertUser then refuses logins of the user, the user can't be added to a
        team, and no service can act for the user. Memberships stay. If the user is already deactivated, nothing is
        written. UpdateUser reactivates a user.

        Codes:
        - NOT_FOUND: there is no such user.
        - ABORTED: the etag is stale. Each login changes the etag.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            user_pb2.DeactivateUserRequest, {"id": id, "etag": etag, "request_id": request_id or new_request_id()}
        )
        response = await self._calls.unary(self._rpcs.DeactivateUser, request, timeout)
        return response.user


class SyncUsers:
    """UserService manages user accounts. An account belongs to one person, and is linked to an e-mail address and to
    GitHub and Google accounts.
    """

    def __init__(self, calls: SyncCalls) -> None:
        self._calls = calls
        self._rpcs = user_pb2_grpc.UserServiceStub(calls.channel)

    def upsert(
        self,
        *,
        email: str,
        name: str,
        avatar_url: str | None = None,
        github_id: str | None = None,
        google_id: str | None = None,
        email_verified: bool | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> user_pb2.UpsertUserResponse:
        """UpsertUser records a login: it finds or creates the account of a person, and sets `last_login_at`.

        The account is looked up by `github_id` or `google_id`, then by e-mail address. The call updates the name,
        the e-mail address and, if set, `avatar_url`. It links an id of the other kind. Unset fields keep their
        stored values.

        A login proves its ids, and its e-mail address if `email_verified` is set. The owner of a verified address
        owns its account:

        - The first verified login of an account unlinks the ids that this login does not have, because anyone could
          have linked them.
        - An unverified address never replaces a verified one: the account keeps its address.
        - If a verified address belongs to an unverified account, and the ids to another account, the address moves
          to the latter. The unverified account gets the address `<id>@unclaimed.invalid`.
        - A login without a linked id and without a verified address gets only an account that is unverified and has
          no ids.

        Accounts are never merged. Parallel calls for one new person create one account.

        Codes:
        - ALREADY_EXISTS: a field belongs to another account, or the account already has a different id of that kind.
          The message names each such field. The reason names the first: USER_GITHUB_ID_CONFLICT,
          USER_GOOGLE_ID_CONFLICT or USER_EMAIL_TAKEN. Nothing was changed.
        - FAILED_PRECONDITION: the user is deactivated (USER_DEACTIVATED). Nothing was changed.

        Args:
            email: Required. An e-mail address of at most 255 characters. Stored in lower case.
            name: Required. 1 to 255 characters.
            avatar_url: An http or https URL of at most 2,000 characters. Unset: unchanged.
            github_id: 1 to 100 visible ASCII characters. Unset: unchanged.
            google_id: 1 to 100 visible ASCII characters. Unset: unchanged.
            email_verified: Whether the identity provider of this login has verified the e-mail address.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            user_pb2.UpsertUserRequest,
            {
                "email": email,
                "name": name,
                "avatar_url": avatar_url,
                "github_id": github_id,
                "google_id": google_id,
                "email_verified": email_verified,
                "request_id": request_id or new_request_id(),
            },
        )
        return self._calls.unary(self._rpcs.UpsertUser, request, timeout)

    def get(
        self,
        id: str | None = None,
        *,
        email: str | None = None,
        github_id: str | None = None,
        google_id: str | None = None,
        timeout: float | None = None,
    ) -> user_pb2.User:
        """GetUser returns one user, active or not.

        Codes:
        - NOT_FOUND: there is no such user.

        Args:
            id: Give exactly one of id, email, github_id and google_id.
            email: Case-insensitive. Give exactly one of id, email, github_id and google_id.
            github_id: Give exactly one of id, email, github_id and google_id.
            google_id: Give exactly one of id, email, github_id and google_id.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            user_pb2.GetUserRequest, {"id": id, "email": email, "github_id": github_id, "google_id": google_id}
        )
        response = self._calls.unary(self._rpcs.GetUser, request, timeout)
        return response.user

    def list(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        is_active: bool | None = None,
        team_id: str | None = None,
        timeout: float | None = None,
    ) -> SyncPager[user_pb2.User, user_pb2.ListUsersResponse]:
        """ListUsers returns users, newest first.

        Args:
            page_size: Maximum number of users. Default: 50, maximum: 500.
            page_token: The `next_page_token` of the previous page. Empty: the first page.
            is_active: True: only active users. False: only deactivated ones.
            team_id: Only members of this team. An acting user must be a member of the team.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            user_pb2.ListUsersRequest,
            {"page_size": page_size, "page_token": page_token, "is_active": is_active, "team_id": team_id},
        )
        return SyncPager(
            lambda page: self._calls.unary(self._rpcs.ListUsers, page, timeout), request, lambda page: page.users
        )

    def update(
        self,
        id: str,
        *,
        etag: str | None = None,
        name: str | None | Unset = UNSET,
        avatar_url: str | None | Unset = UNSET,
        is_active: bool | None | Unset = UNSET,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> user_pb2.User:
        """UpdateUser changes the name or the avatar of a user, or reactivates the user. Only UpsertUser changes the
        e-mail address and the ids.

        Codes:
        - NOT_FOUND: there is no such user.
        - ABORTED: the etag is stale. Each login changes the etag.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            name: As in UpsertUserRequest. Can't be cleared.
            avatar_url: As in UpsertUserRequest.
            is_active: Cleared: true.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build_update(
            user_pb2.UpdateUserRequest,
            {"id": id, "etag": etag, "request_id": request_id or new_request_id()},
            {"name": name, "avatar_url": avatar_url, "is_active": is_active},
        )
        response = self._calls.unary(self._rpcs.UpdateUser, request, timeout)
        return response.user

    def deactivate(
        self, id: str, *, etag: str | None = None, request_id: str | None = None, timeout: float | None = None
    ) -> user_pb2.User:
        """DeactivateUser deactivates a user. UpsertUser then refuses logins of the user, the user can't be added to a
        team, and no service can act for the user. Memberships stay. If the user is already deactivated, nothing is
        written. UpdateUser reactivates a user.

        Codes:
        - NOT_FOUND: there is no such user.
        - ABORTED: the etag is stale. Each login changes the etag.

        Args:
            id: Required.
            etag: The expected etag of the resource. Unset: no check.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            user_pb2.DeactivateUserRequest, {"id": id, "etag": etag, "request_id": request_id or new_request_id()}
        )
        response = self._calls.unary(self._rpcs.DeactivateUser, request, timeout)
        return response.user
