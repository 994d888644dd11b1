"""Secret: see the service in the contract. Generated from protos/ by `make generate`: not to be edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from stagely.v1 import secret_pb2, secret_pb2_grpc
from stagely_rpc.client.paging import Pager, SyncPager
from stagely_rpc.client.requests import build, new_request_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stagely_rpc.client.calls import Calls
    from stagely_rpc.client.sync_calls import SyncCalls

SecretTypeName = Literal["env", "file"]


class Secrets:
    """SecretService keeps the secrets of projects: values that its services get as environment variables or files. A
    value is stored encrypted, and comes out of AccessSecret and ResolveSecrets alone.

    A secret belongs to a scope of its project: `global`, which every service of the project gets, or the name of one
    service. Where both have a secret, the service gets its own.

    Secrets can be set and deleted while their project is archived; nothing of a deleted team changes.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._rpcs = secret_pb2_grpc.SecretServiceStub(calls.channel)

    async def set(
        self,
        *,
        project_id: str,
        key: str,
        scope: str | None = None,
        secret_type: secret_pb2.SecretType.ValueType | SecretTypeName | None = None,
        value: bytes | None = None,
        file_path: str | None = None,
        file_permissions: str | None = None,
        created_by: str | None = None,
        etag: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> secret_pb2.SetSecretResponse:
        """SetSecret creates a secret, or replaces the one of this project, key and scope: value, type, path and
        permissions, all of them.

        Codes:
        - NOT_FOUND: there is no such project; or the secret is new, and there is no user `created_by`.
        - FAILED_PRECONDITION: the team is deleted; or the service runs without an encryption key.
        - ABORTED: the etag is stale, or given while there is no such secret.
        - DATA_LOSS: the team's data key can't be decrypted.
        - PERMISSION_DENIED: `created_by` is another than the acting user.

        Args:
            project_id: Required.
            key: Required. At most 255 characters. Of an environment variable: letters, digits and `_`, the first no
                digit. Of a file: letters, digits and `_.-`, the first a letter, a digit or `_`.
            scope: `global` or the name of a service: at most 50 letters, digits, `_` and `-`. Default: `global`.
            secret_type: Default: SECRET_TYPE_ENV.
            value: 0 to 65,536 bytes of any kind.
            file_path: Required for a file, refused for an environment variable. Absolute, at most 4,095 bytes with at
                most 255 between two slashes, without `.`, `..`, `//`, a slash at the end and control characters.
            file_permissions: Three or four octal digits from 0000 to 0777, refused for an environment variable.
                Default: 0600.
            created_by: The user who creates it. Where a service acts for a user it is that user, and can be left out.
                Has no effect on a secret that is there already.
            request_id: A UUID, by which a repetition is known.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            secret_pb2.SetSecretRequest,
            {
                "project_id": project_id,
                "key": key,
                "scope": scope,
                "secret_type": secret_type,
                "value": value,
                "file_path": file_path,
                "file_permissions": file_permissions,
                "created_by": created_by,
                "etag": etag,
                "request_id": request_id or new_request_id(),
            },
        )
        return await self._calls.unary(self._rpcs.SetSecret, request, timeout)

    async def get(
        self,
        id: str | None = None,
        *,
        name: secret_pb2.SecretName | Mapping[str, object] | None = None,
        timeout: float | None = None,
    ) -> secret_pb2.Secret:
        """GetSecret returns what is known of a secret beside its value.

        Codes:
        - NOT_FOUND: there is no such secret.

        Args:
            id: Or else name.
            name: Or else id.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(secret_pb2.GetSecretRequest, {"id": id, "name": name})
        response = await self._calls.unary(self._rpcs.GetSecret, request, timeout)
        return response.secret

    def list(
        self,
        *,
        project_id: str,
        page_size: int | None = None,
        page_token: str | None = None,
        scope: str | None = None,
        secret_type: secret_pb2.SecretType.ValueType | SecretTypeName | None = None,
        timeout: float | None = None,
    ) -> Pager[secret_pb2.Secret, secret_pb2.ListSecretsResponse]:
        """ListSecrets returns what is known of a project's secrets beside their values, newest first.

        Codes:
        - NOT_FOUND: there is no such project.

        Args:
            project_id: Required.
            page_size: At most this many secrets.
            page_token: `next_page_token` of the page before.
            scope: Only secrets of this scope.
            secret_type: Only secrets of this type.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            secret_pb2.ListSecretsRequest,
            {
                "project_id": project_id,
                "page_size": page_size,
                "page_token": page_token,
                "scope": scope,
                "secret_type": secret_type,
            },
        )
        return Pager(
            lambda page: self._calls.unary(self._rpcs.ListSecrets, page, timeout), request, lambda page: page.secrets
        )

    async def access(
        self,
        id: str | None = None,
        *,
        name: secret_pb2.SecretName | Mapping[str, object] | None = None,
        timeout: float | None = None,
    ) -> secret_pb2.AccessSecretResponse:
        """AccessSecret returns a secret with its value.

        Codes:
        - NOT_FOUND: there is no such secret.
        - FAILED_PRECONDITION: the service runs without an encryption key.
        - DATA_LOSS: the stored value does not authenticate: it was changed or is another secret's, or its key is lost.
          There is no value.

        Args:
            id: Or else name.
            name: Or else id.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(secret_pb2.AccessSecretRequest, {"id": id, "name": name})
        return await self._calls.unary(self._rpcs.AccessSecret, request, timeout)

    async def delete(
        self,
        id: str | None = None,
        *,
        name: secret_pb2.SecretName | Mapping[str, object] | None = None,
        etag: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """DeleteSecret deletes a secret and its value for good.

        Codes:
        - NOT_FOUND: there is no such secret.
        - FAILED_PRECONDITION: the team is deleted.
        - ABORTED: the etag is stale.

        Args:
            id: Or else name.
            name: Or else id.
            request_id: A UUID, by which a repetition is known.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            secret_pb2.DeleteSecretRequest,
            {"id": id, "name": name, "etag": etag, "request_id": request_id or new_request_id()},
        )
        await self._calls.unary(self._rpcs.DeleteSecret, request, timeout)

    async def resolve(
        self, *, project_id: str, scope: str | None = None, timeout: float | None = None
    ) -> secret_pb2.ResolveSecretsResponse:
        """ResolveSecrets returns what one service of a project gets: the secrets of `global` with those of its scope
        laid over them, ordered by key (in code points). A secret of the scope takes the place of a global one with
        its key, and of a global file with its path.

        It returns all or nothing: a service never starts with half its secrets. The answer can be larger than the 4
        MiB that a gRPC client takes by default.

        Codes:
        - NOT_FOUND: there is no such project.
        - FAILED_PRECONDITION: two files can't both be written: of one scope with one path, or one below the path of the
          other; or the service runs without an encryption key.
        - DATA_LOSS: the stored value of a secret, which the message names, does not authenticate.

        Args:
            project_id: Required.
            scope: The service's scope. Default: `global`, which gives the global secrets alone.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(secret_pb2.ResolveSecretsRequest, {"project_id": project_id, "scope": scope})
        return await self._calls.unary(self._rpcs.ResolveSecrets, request, timeout)


class SyncSecrets:
    """SecretService keeps the secrets of projects: values that its services get as environment variables or files. A
    value is stored encrypted, and comes out of AccessSecret and ResolveSecrets alone.

    A secret belongs to a scope of its project: `global`, which every service of the project gets, or the name of one
    service. Where both have a secret, the service gets its own.

    Secrets can be set and deleted while their project is archived; nothing of a deleted team changes.
    """

    def __init__(self, calls: SyncCalls) -> None:
        self._calls = calls
        self._rpcs = secret_pb2_grpc.SecretServiceStub(calls.channel)

    def set(
        self,
        *,
        project_id: str,
        key: str,
        scope: str | None = None,
        secret_type: secret_pb2.SecretType.ValueType | SecretTypeName | None = None,
        value: bytes | None = None,
        file_path: str | None = None,
        file_permissions: str | None = None,
        created_by: str | None = None,
        etag: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> secret_pb2.SetSecretResponse:
        """SetSecret creates a secret, or replaces the one of this project, key and scope: value, type, path and
        permissions, all of them.

        Codes:
        - NOT_FOUND: there is no such project; or the secret is new, and there is no user `created_by`.
        - FAILED_PRECONDITION: the team is deleted; or the service runs without an encryption key.
        - ABORTED: the etag is stale, or given while there is no such secret.
        - DATA_LOSS: the team's data key can't be decrypted.
        - PERMISSION_DENIED: `created_by` is another than the acting user.

        Args:
            project_id: Required.
            key: Required. At most 255 characters. Of an environment variable: letters, digits and `_`, the first no
                digit. Of a file: letters, digits and `_.-`, the first a letter, a digit or `_`.
            scope: `global` or the name of a service: at most 50 letters, digits, `_` and `-`. Default: `global`.
            secret_type: Default: SECRET_TYPE_ENV.
            value: 0 to 65,536 bytes of any kind.
            file_path: Required for a file, refused for an environment variable. Absolute, at most 4,095 bytes with at
                most 255 between two slashes, without `.`, `..`, `//`, a slash at the end and control characters.
            file_permissions: Three or four octal digits from 0000 to 0777, refused for an environment variable.
                Default: 0600.
            created_by: The user who creates it. Where a service acts for a user it is that user, and can be left out.
                Has no effect on a secret that is there already.
            request_id: A UUID, by which a repetition is known.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            secret_pb2.SetSecretRequest,
            {
                "project_id": project_id,
                "key": key,
                "scope": scope,
                "secret_type": secret_type,
                "value": value,
                "file_path": file_path,
                "file_permissions": file_permissions,
                "created_by": created_by,
                "etag": etag,
                "request_id": request_id or new_request_id(),
            },
        )
        return self._calls.unary(self._rpcs.SetSecret, request, timeout)

    def get(
        self,
        id: str | None = None,
        *,
        name: secret_pb2.SecretName | Mapping[str, object] | None = None,
        timeout: float | None = None,
    ) -> secret_pb2.Secret:
        """GetSecret returns what is known of a secret beside its value.

        Codes:
        - NOT_FOUND: there is no such secret.

        Args:
            id: Or else name.
            name: Or else id.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(secret_pb2.GetSecretRequest, {"id": id, "name": name})
        response = self._calls.unary(self._rpcs.GetSecret, request, timeout)
        return response.secret

    def list(
        self,
        *,
        project_id: str,
        page_size: int | None = None,
        page_token: str | None = None,
        scope: str | None = None,
        secret_type: secret_pb2.SecretType.ValueType | SecretTypeName | None = None,
        timeout: float | None = None,
    ) -> SyncPager[secret_pb2.Secret, secret_pb2.ListSecretsResponse]:
        """ListSecrets returns what is known of a project's secrets beside their values, newest first.

        Codes:
        - NOT_FOUND: there is no such project.

        Args:
            project_id: Required.
            page_size: At most this many secrets.
            page_token: `next_page_token` of the page before.
            scope: Only secrets of this scope.
            secret_type: Only secrets of this type.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            secret_pb2.ListSecretsRequest,
            {
                "project_id": project_id,
                "page_size": page_size,
                "page_token": page_token,
                "scope": scope,
                "secret_type": secret_type,
            },
        )
        return SyncPager(
            lambda page: self._calls.unary(self._rpcs.ListSecrets, page, timeout), request, lambda page: page.secrets
        )

    def access(
        self,
        id: str | None = None,
        *,
        name: secret_pb2.SecretName | Mapping[str, object] | None = None,
        timeout: float | None = None,
    ) -> secret_pb2.AccessSecretResponse:
        """AccessSecret returns a secret with its value.

        Codes:
        - NOT_FOUND: there is no such secret.
        - FAILED_PRECONDITION: the service runs without an encryption key.
        - DATA_LOSS: the stored value does not authenticate: it was changed or is another secret's, or its key is lost.
          There is no value.

        Args:
            id: Or else name.
            name: Or else id.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(secret_pb2.AccessSecretRequest, {"id": id, "name": name})
        return self._calls.unary(self._rpcs.AccessSecret, request, timeout)

    def delete(
        self,
        id: str | None = None,
        *,
        name: secret_pb2.SecretName | Mapping[str, object] | None = None,
        etag: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """DeleteSecret deletes a secret and its value for good.

        Codes:
        - NOT_FOUND: there is no such secret.
        - FAILED_PRECONDITION: the team is deleted.
        - ABORTED: the etag is stale.

        Args:
            id: Or else name.
            name: Or else id.
            request_id: A UUID, by which a repetition is known.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(
            secret_pb2.DeleteSecretRequest,
            {"id": id, "name": name, "etag": etag, "request_id": request_id or new_request_id()},
        )
        self._calls.unary(self._rpcs.DeleteSecret, request, timeout)

    def resolve(
        self, *, project_id: str, scope: str | None = None, timeout: float | None = None
    ) -> secret_pb2.ResolveSecretsResponse:
        """ResolveSecrets returns what one service of a project gets: the secrets of `global` with those of its scope
        laid over them, ordered by key (in code points). A secret of the scope takes the place of a global one with
        its key, and of a global file with its path.

        It returns all or nothing: a service never starts with half its secrets. The answer can be larger than the 4
        MiB that a gRPC client takes by default.

        Codes:
        - NOT_FOUND: there is no such project.
        - FAILED_PRECONDITION: two files can't both be written: of one scope with one path, or one below the path of the
          other; or the service runs without an encryption key.
        - DATA_LOSS: the stored value of a secret, which the message names, does not authenticate.

        Args:
            project_id: Required.
            scope: The service's scope. Default: `global`, which gives the global secrets alone.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(secret_pb2.ResolveSecretsRequest, {"project_id": project_id, "scope": scope})
        return self._calls.unary(self._rpcs.ResolveSecrets, request, timeout)
