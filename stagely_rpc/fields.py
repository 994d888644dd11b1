"""Field types of requests, each with its limits. The slices' `inputs.py` compose them into models.

The limits are those of the database columns, in Unicode code points unless a type says bytes.
"""

from __future__ import annotations

import re
import uuid
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints


class Input(BaseModel):
    """A validated request. Assignments are validated too, because updates set their changes one by one."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True, hide_input_in_errors=True)


# uuid.UUID also accepts braces, `urn:uuid:`, misplaced hyphens and white space. One id would have many spellings.
UUID_FORM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def _canonical_uuid(value: Any) -> Any:  # noqa: ANN401
    # Return text: pydantic parses a UUID faster than `uuid.UUID` does.
    if isinstance(value, str) and not UUID_FORM.fullmatch(value):
        raise ValueError("must be a UUID such as 4f9c2e3a-8d11-4c55-9b1e-0a6f2d7c8e90")
    return value


# Unicode category Cc. The search is 100 times faster than a lookup of each character's category.
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def _printable(text: str) -> str:
    if _CONTROL_CHARACTER.search(text):
        raise ValueError("must not contain control characters")
    return text


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain NUL")
    return text


def _slug(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*[a-z0-9]", text):
        raise ValueError(
            "must be at least two lower-case letters, digits and hyphens, and must not start or end with a hyphen"
        )
    return text


def _email(text: str) -> str:
    # Convert to lower case after the check, because `lower` turns the Kelvin sign into a k: another person's address.
    if not re.fullmatch(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}", text):
        raise ValueError("must be an e-mail address such as ada@example.com")
    return text.lower()


# The rules of git-check-ref-format(1), plus the control characters that `_printable` rejects.
_NOT_IN_A_GIT_REF = re.compile(
    r"[\x00-\x20\x7f-\x9f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|\Z)|\A[./-]|[./]\Z|\A(?:@|HEAD)?\Z"
)


def _git_ref(text: str) -> str:
    if _NOT_IN_A_GIT_REF.search(text):
        raise ValueError("must be a valid git branch name such as feature/login")
    return text


_MAX_JSON_BYTES = 65_536
_MAX_JSON_LEVELS = 20


def _small_json(value: dict[str, Any]) -> dict[str, Any]:
    # Protobuf parsers fail at 100 nested messages, and a JSON level takes three. Stored JSON must stay readable.
    if _levels(value) > _MAX_JSON_LEVELS:
        raise ValueError(f"must be at most {_MAX_JSON_LEVELS} levels deep")
    if len(orjson.dumps(value)) > _MAX_JSON_BYTES:
        raise ValueError(f"must be at most {_MAX_JSON_BYTES} bytes as JSON")
    return value


def _levels(value: object) -> int:
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(_levels, value.values() if isinstance(value, dict) else value), default=0)


ResourceId = Annotated[uuid.UUID, BeforeValidator(_canonical_uuid)]

Line = Annotated[str, AfterValidator(_printable)]
"""Text of one line."""

Text = Annotated[str, AfterValidator(_without_nul)]
"""Text of any number of lines."""

Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_printable)]
"""Non-empty text of one line, stripped of surrounding space. Each use sets its column's length."""

Name = Annotated[Label, StringConstraints(max_length=255)]

Slug = Annotated[str, StringConstraints(max_length=100), AfterValidator(_slug)]

Email = Annotated[str, StringConstraints(max_length=255), AfterValidator(_email)]
"""An e-mail address in lower case: in practice, addresses that differ only in case are one mailbox."""

GitRef = Annotated[str, AfterValidator(_git_ref)]
"""The name of a git branch. Each use sets its column's length."""

JsonObject = Annotated[dict[str, Any], AfterValidator(_small_json)]

Quota = Annotated[int, Field(ge=0, le=100_000)]

Etag = Annotated[Line, StringConstraints(max_length=64)]


class Target(Input):
    """The id of a resource, and its expected etag, if any."""

    id: ResourceId
    etag: Etag = ""


class RequestId(Input):
    """The id that a request and its retries share."""

    request_id: ResourceId
