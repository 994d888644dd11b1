"""The requests of SecretService as validated models."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator

from stagely_rpc.fields import Etag, Input, ResourceId

GLOBAL = "global"
"""The scope of secrets that every service of a project gets."""

SecretType = Literal["env", "file"]
ENV: SecretType = "env"
FILE: SecretType = "file"

DEFAULT_PERMISSIONS = "0600"
# Linux limits: PATH_MAX is 4096 including the final NUL; NAME_MAX is 255.
_MAX_PATH_BYTES = 4095
_MAX_PATH_PART_BYTES = 255

_FILE_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_ENV_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _file_key(key: str) -> str:
    if not _FILE_KEY.fullmatch(key):
        raise ValueError("must be letters, digits and the characters _.- and not start with . or -")
    return key


def _env_key(key: str) -> str:
    if not _ENV_KEY.fullmatch(key):
        raise ValueError(
            "must be the name of an environment variable: letters, digits and _, not starting with a digit"
        )
    return key


def _scope(scope: str) -> str:
    if not re.fullmatch(r"[a-zA-Z0-9_-]+", scope):
        raise ValueError("must be letters, digits and the characters _-")
    return scope


def _file_path(path: str) -> str:
    root, *parts = path.split("/")
    if len(path.encode()) > _MAX_PATH_BYTES or any(len(part.encode()) > _MAX_PATH_PART_BYTES for part in parts):
        raise ValueError(f"must have at most {_MAX_PATH_BYTES} bytes, and at most {_MAX_PATH_PART_BYTES} per component")
    if any(unicodedata.category(character) == "Cc" for character in path):
        raise ValueError("must not contain control characters")
    if root or not parts or {"", ".", ".."}.intersection(parts):
        raise ValueError("must be an absolute path of a file, without empty components, . or ..")
    return path


def _file_permissions(permissions: str) -> str:
    if not re.fullmatch(r"0?[0-7]{3}", permissions):
        raise ValueError("must be octal digits from 0000 to 0777")
    return permissions.zfill(4)


Scope = Annotated[str, StringConstraints(max_length=50), AfterValidator(_scope)]


class SecretName(Input):
    """The natural key of a secret: its project, key and scope."""

    project_id: ResourceId
    key: Annotated[str, StringConstraints(max_length=255), AfterValidator(_file_key)]
    scope: Scope = GLOBAL


class SecretKey(Input):
    """The key of a secret: its id or its natural key."""

    id: ResourceId | None = None
    name: SecretName | None = None

    def __str__(self) -> str:
        return str(self.id or (self.name and f"{self.name.project_id}/{self.name.scope}/{self.name.key}"))


class SecretDeletion(SecretKey):
    """The deletion of a secret."""

    etag: Etag = ""


class NewSecret(Input):
    """A secret to set. The type is validated first, because the rules for key and file depend on it."""

    project_id: ResourceId
    secret_type: SecretType = ENV
    key: Annotated[str, StringConstraints(max_length=255)]
    scope: Scope = GLOBAL
    value: Annotated[bytes, Field(max_length=64 * 1024, repr=False)] = b""
    file_path: Annotated[str | None, Field(validate_default=True)] = None
    file_permissions: Annotated[str | None, Field(validate_default=True)] = None
    created_by: ResourceId | None = None
    etag: Etag = ""

    @property
    def name(self) -> SecretName:
        """The natural key of the secret."""
        return SecretName.model_construct(project_id=self.project_id, key=self.key, scope=self.scope)

    @field_validator("key")
    @classmethod
    def _check_key(cls, key: str, given: ValidationInfo) -> str:
        return _file_key(key) if _is_file(given) else _env_key(key)

    @field_validator("file_path")
    @classmethod
    def _check_file_path(cls, path: str | None, given: ValidationInfo) -> str | None:
        if not _is_file(given):
            return _must_be_unset(path)
        if path is None:
            raise ValueError("is required for a file")
        return _file_path(path)

    @field_validator("file_permissions")
    @classmethod
    def _check_file_permissions(cls, permissions: str | None, given: ValidationInfo) -> str | None:
        if not _is_file(given):
            return _must_be_unset(permissions)
        return DEFAULT_PERMISSIONS if permissions is None else _file_permissions(permissions)


def _is_file(given: ValidationInfo) -> bool:
    return bool(given.data["secret_type"] == FILE)


def _must_be_unset(value: str | None) -> str | None:
    if value is not None:
        raise ValueError("must not be set for an environment variable")
    return value


class SecretFilter(Input):
    """The project and the filters of a list of secrets."""

    project_id: ResourceId
    scope: Scope | None = None
    secret_type: SecretType | None = None


class ServiceScope(Input):
    """A service of a project, identified by its scope."""

    project_id: ResourceId
    scope: Scope = GLOBAL
