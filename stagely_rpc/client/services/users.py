"""User: see the service in the contract. Generated from protos/ by `make generate`: not to be edited."""

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
    """UserService keeps user accounts: who a person is, by which GitHub or Google account and e-mail address."""

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
        """UpsertUser records a login: it finds the account of a person, or makes it, and sets `last_login_at`.

        The account is the one that has the `github_id` or the `google_id`, else the one that has the e-mail address.
        Name, e-mail address and, when set, `avatar_url` are brought up to date, an id of the other kind is linked,
        and an unset field keeps what is stored. `email_verified` turns on and never off while the e-mail address
        stays; a changed address takes the request's.

        Two accounts are never merged, and an account that is found by its e-mail address alone gets an id linked
        only if nobody but the owner of the address can have made it: the request must say `email_verified`, and the
        account's address be verified or the account have no id yet. Parallel calls for one new person make one
        account.

        Codes:
        - ALREADY_EXISTS: a field belongs to another account, or the account that was found has another id of that kind. The message names each such
          field; the reason is that of the first: USER_GITHUB_ID_CONFLICT, USER_GOOGLE_ID_CONFLICT or USER_EMAIL_TAKEN. Nothing was changed.
        - FAILED_PRECONDITION: the user is deactivated. Nothing was changed.

        Args:
            email: Required. An e-mail address of at most 255 characters; kept in lower case.
            name: Required. 1 to 255 characters.
            avatar_url: An http or https URL of at most 2,000 characters. Unset, it stays as it is.
            github_id: 1 to 100 visible ASCII characters. Unset, it stays as it is.
            google_id: 1 to 100 visible ASCII characters. Unset, it stays as it is.
            email_verified: Whether whoever the user logged in with vouches that the e-mail address is theirs.
            request_id: A UUID, by which a repetition is known.
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
            id: Or else email or github_id or google_id.
            email: In any case.
            github_id: Or else id or email or google_id.
            google_id: Or else id or email or github_id.
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
            page_size: At most this many users.
            page_token: `next_page_token` of the page before.
            is_active: Only active users, or only deactivated ones.
            team_id: Only members of this team. Where a service acts for a user, the user must be one of them.
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
        """UpdateUser changes the name or the avatar of a user, or brings a deactivated one back. E-mail address and ids
        change by UpsertUser alone.

        Codes:
        - NOT_FOUND: there is no such user.
        - ABORTED: the etag is stale; each login changes it.

        Args:
            id: Required.
            name: As in UpsertUserRequest; can't be cleared.
            avatar_url: As in UpsertUserRequest.
            is_active: Cleared, it is true again.
            request_id: A UUID, by which a repetition is known.
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
        """DeactivateUser ends a user's logins: UpsertUser refuses them, no team can add them, and no service can act
        for them. They stay members where they are. A user that is deactivated already stays so, and nothing is
        written. UpdateUser brings a user back.

        Codes:
        - NOT_FOUND: there is no such user.
        - ABORTED: the etag is stale; each login changes it.

        Args:
            id: Required.
            request_id: A UUID, by which a repetition is known.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            user_pb2.DeactivateUserRequest, {"id": id, "etag": etag, "request_id": request_id or new_request_id()}
        )
        response = await self._calls.unary(self._rpcs.DeactivateUser, request, timeout)
        return response.user


class SyncUsers:
    """UserService keeps user accounts: who a person is, by which GitHub or Google account and e-mail address."""

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
        """UpsertUser records a login: it finds the account of a person, or makes it, and sets `last_login_at`.

        The account is the one that has the `github_id` or the `google_id`, else the one that has the e-mail address.
        Name, e-mail address and, when set, `avatar_url` are brought up to date, an id of the other kind is linked,
        and an unset field keeps what is stored. `email_verified` turns on and never off while the e-mail address
        stays; a changed address takes the request's.

        Two accounts are never merged, and an account that is found by its e-mail address alone gets an id linked
        only if nobody but the owner of the address can have made it: the request must say `email_verified`, and the
        account's address be verified or the account have no id yet. Parallel calls for one new person make one
        account.

        Codes:
        - ALREADY_EXISTS: a field belongs to another account, or the account that was found has another id of that kind. The message names each such
          field; the reason is that of the first: USER_GITHUB_ID_CONFLICT, USER_GOOGLE_ID_CONFLICT or USER_EMAIL_TAKEN. Nothing was changed.
        - FAILED_PRECONDITION: the user is deactivated. Nothing was changed.

        Args:
            email: Required. An e-mail address of at most 255 characters; kept in lower case.
            name: Required. 1 to 255 characters.
            avatar_url: An http or https URL of at most 2,000 characters. Unset, it stays as it is.
            github_id: 1 to 100 visible ASCII characters. Unset, it stays as it is.
            google_id: 1 to 100 visible ASCII characters. Unset, it stays as it is.
            email_verified: Whether whoever the user logged in with vouches that the e-mail address is theirs.
            request_id: A UUID, by which a repetition is known.
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
            id: Or else email or github_id or google_id.
            email: In any case.
            github_id: Or else id or email or google_id.
            google_id: Or else id or email or github_id.
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
            page_size: At most this many users.
            page_token: `next_page_token` of the page before.
            is_active: Only active users, or only deactivated ones.
            team_id: Only members of this team. Where a service acts for a user, the user must be one of them.
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
        """UpdateUser changes the name or the avatar of a user, or brings a deactivated one back. E-mail address and ids
        change by UpsertUser alone.

        Codes:
        - NOT_FOUND: there is no such user.
        - ABORTED: the etag is stale; each login changes it.

        Args:
            id: Required.
            name: As in UpsertUserRequest; can't be cleared.
            avatar_url: As in UpsertUserRequest.
            is_active: Cleared, it is true again.
            request_id: A UUID, by which a repetition is known.
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
        """DeactivateUser ends a user's logins: UpsertUser refuses them, no team can add them, and no service can act
        for them. They stay members where they are. A user that is deactivated already stays so, and nothing is
        written. UpdateUser brings a user back.

        Codes:
        - NOT_FOUND: there is no such user.
        - ABORTED: the etag is stale; each login changes it.

        Args:
            id: Required.
            request_id: A UUID, by which a repetition is known.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            user_pb2.DeactivateUserRequest, {"id": id, "etag": etag, "request_id": request_id or new_request_id()}
        )
        response = self._calls.unary(self._rpcs.DeactivateUser, request, timeout)
        return response.user
