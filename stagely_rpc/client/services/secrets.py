"""Secret: see the service in the contract. Generated from protos/ by `make generate`. Do not edit."""

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
    """SecretService stores the secrets of projects: values that a project's services get as environment variables or
    files. Values are stored encrypted. Only AccessSecret and ResolveSecrets return them.

    A secret has a scope: `global` for every service of the project, or the name of one service. If both scopes have
    a secret with the same key, the service gets the one of its own scope.

    Secrets of an archived project can be set and deleted. Secrets of a deleted team can't change.
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
        """SetSecret creates a secret, or replaces the secret with this project, key and scope. It replaces the value,
        the type, the path and the permissions.

        Codes:
        - NOT_FOUND: there is no such project; or the secret is new, and the user `created_by` does not exist.
        - FAILED_PRECONDITION: the team is deleted (TEAM_DELETED); or the service runs without an encryption key
          (ENCRYPTION_KEY_MISSING).
        - ABORTED: the etag is stale; or an etag is given and there is no such secret.
        - DATA_LOSS: the team's data key can't be decrypted.
        - PERMISSION_DENIED: `created_by` is not the acting user (ANOTHER_USER).

        Args:
            project_id: Required.
            key: Required. At most 255 characters. An environment variable: letters, digits and `_`; must not start with
                a digit. A file: letters, digits, `_`, `.` and `-`; must start with a letter, a digit or `_`.
            scope: `global` or the name of a service: at most 50 letters, digits, `_` and `-`. Default: `global`.
            secret_type: Default: SECRET_TYPE_ENV.
            value: 0 to 65,536 arbitrary bytes.
            file_path: Required for a file, not allowed for an environment variable. An absolute path of at most 4,095
                bytes, with at most 255 bytes per component. Must not contain `.` or `..` components, `//`, a trailing
                slash or control characters.
            file_permissions: Three or four octal digits, 0000 to 0777. Not allowed for an environment variable.
                Default: 0600.
            created_by: The user who creates the secret. If the service acts for a user, it must be that user, and is
                the default. Ignored if the secret exists.
            etag: The expected etag of the existing secret. Unset: no check.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
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
        """GetSecret returns a secret without its value.

        Codes:
        - NOT_FOUND: there is no such secret.

        Args:
            id: Give exactly one of id and name.
            name: Give exactly one of id and name.
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
        """ListSecrets returns the secrets of a project without their values, newest first.

        Codes:
        - NOT_FOUND: there is no such project.

        Args:
            project_id: Required.
            page_size: Maximum number of secrets. Default: 50, maximum: 500.
            page_token: The `next_page_token` of the previous page. Empty: the first page.
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
        - FAILED_PRECONDITION: the service runs without an encryption key (ENCRYPTION_KEY_MISSING).
        - DATA_LOSS: the stored value does not authenticate: it was changed, it belongs to another secret, or its
          data key can't be decrypted. No value is returned.

        Args:
            id: Give exactly one of id and name.
            name: Give exactly one of id and name.
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
        """DeleteSecret deletes a secret and its value permanently.

        Codes:
        - NOT_FOUND: there is no such secret.
        - FAILED_PRECONDITION: the team is deleted (TEAM_DELETED).
        - ABORTED: the etag is stale.

        Args:
            id: Give exactly one of id and name.
            name: Give exactly one of id and name.
            etag: The expected etag of the resource. Unset: no check.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
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
        """ResolveSecrets returns the secrets that one service of a project gets, ordered by key (by code point): the
        global secrets and those of the service's scope. A secret of the scope replaces the global secret with the
        same key, and the global file with the same path.

        It returns all secrets or fails, so that a service never starts with half of its secrets. The response can
        exceed 4 MiB, the default limit of gRPC clients.

        Codes:
        - NOT_FOUND: there is no such project.
        - FAILED_PRECONDITION: two files conflict: two secrets of one scope have the same path, or one path is below
          the other (SECRET_FILES_CONFLICT); or the service runs without an encryption key (ENCRYPTION_KEY_MISSING).
        - DATA_LOSS: the stored value of a secret does not authenticate. The message names the secret.

        Args:
            project_id: Required.
            scope: The scope of the service. Default: `global`, which returns only the global secrets.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(secret_pb2.ResolveSecretsRequest, {"project_id": project_id, "scope": scope})
        return await self._calls.unary(self._rpcs.ResolveSecrets, request, timeout)


class SyncSecrets:
    """SecretService stores the secrets of projects: values that a project's services get as environment variables or
    files. Values are stored encrypted. Only AccessSecret and ResolveSecrets return them.

    A secret has a scope: `global` for every service of the project, or the name of one service. If both scopes have
    a secret with the same key, the service gets the one of its own scope.

    Secrets of an archived project can be set and deleted. Secrets of a deleted team can't change.
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
        """SetSecret creates a secret, or replaces the secret with this project, key and scope. It replaces the value,
        the type, the path and the permissions.

        Codes:
        - NOT_FOUND: there is no such project; or the secret is new, and the user `created_by` does not exist.
        - FAILED_PRECONDITION: the team is deleted (TEAM_DELETED); or the service runs without an encryption key
          (ENCRYPTION_KEY_MISSING).
        - ABORTED: the etag is stale; or an etag is given and there is no such secret.
        - DATA_LOSS: the team's data key can't be decrypted.
        - PERMISSION_DENIED: `created_by` is not the acting user (ANOTHER_USER).

        Args:
            project_id: Required.
            key: Required. At most 255 characters. An environment variable: letters, digits and `_`; must not start with
                a digit. A file: letters, digits, `_`, `.` and `-`; must start with a letter, a digit or `_`.
            scope: `global` or the name of a service: at most 50 letters, digits, `_` and `-`. Default: `global`.
            secret_type: Default: SECRET_TYPE_ENV.
            value: 0 to 65,536 arbitrary bytes.
            file_path: Required for a file, not allowed for an environment variable. An absolute path of at most 4,095
                bytes, with at most 255 bytes per component. Must not contain `.` or `..` components, `//`, a trailing
                slash or control characters.
            file_permissions: Three or four octal digits, 0000 to 0777. Not allowed for an environment variable.
                Default: 0600.
            created_by: The user who creates the secret. If the service acts for a user, it must be that user, and is
                the default. Ignored if the secret exists.
            etag: The expected etag of the existing secret. Unset: no check.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
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
        """GetSecret returns a secret without its value.

        Codes:
        - NOT_FOUND: there is no such secret.

        Args:
            id: Give exactly one of id and name.
            name: Give exactly one of id and name.
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
        """ListSecrets returns the secrets of a project without their values, newest first.

        Codes:
        - NOT_FOUND: there is no such project.

        Args:
            project_id: Required.
            page_size: Maximum number of secrets. Default: 50, maximum: 500.
            page_token: The `next_page_token` of the previous page. Empty: the first page.
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
        - FAILED_PRECONDITION: the service runs without an encryption key (ENCRYPTION_KEY_MISSING).
        - DATA_LOSS: the stored value does not authenticate: it was changed, it belongs to another secret, or its
          data key can't be decrypted. No value is returned.

        Args:
            id: Give exactly one of id and name.
            name: Give exactly one of id and name.
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
        """DeleteSecret deletes a secret and its value permanently.

        Codes:
        - NOT_FOUND: there is no such secret.
        - FAILED_PRECONDITION: the team is deleted (TEAM_DELETED).
        - ABORTED: the etag is stale.

        Args:
            id: Give exactly one of id and name.
            name: Give exactly one of id and name.
            etag: The expected etag of the resource. Unset: no check.
            request_id: A UUID that identifies the request, for safe retries (AIP-155).
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
        """ResolveSecrets returns the secrets that one service of a project gets, ordered by key (by code point): the
        global secrets and those of the service's scope. A secret of the scope replaces the global secret with the
        same key, and the global file with the same path.

        It returns all secrets or fails, so that a service never starts with half of its secrets. The response can
        exceed 4 MiB, the default limit of gRPC clients.

        Codes:
        - NOT_FOUND: there is no such project.
        - FAILED_PRECONDITION: two files conflict: two secrets of one scope have the same path, or one path is below
          the other (SECRET_FILES_CONFLICT); or the service runs without an encryption key (ENCRYPTION_KEY_MISSING).
        - DATA_LOSS: the stored value of a secret does not authenticate. The message names the secret.

        Args:
            project_id: Required.
            scope: The scope of the service. Default: `global`, which returns only the global secrets.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(secret_pb2.ResolveSecretsRequest, {"project_id": project_id, "scope": scope})
        return self._calls.unary(self._rpcs.ResolveSecrets, request, timeout)
