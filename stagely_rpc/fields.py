"""The kinds of field that callers send, each with its limits; the slices' `inputs.py` compose them into models.

Limits are those of the columns that the values end in, counted in Unicode code points unless a type says bytes.
"""

from __future__ import annotations

import re
import uuid
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints


class Input(BaseModel):
    """What a caller sent, validated. An assignment validates too: updates set their changes one by one."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True, hide_input_in_errors=True)


# uuid.UUID takes braces, `urn:uuid:`, stray hyphens, and white space for digits too: one id would have many spellings.
UUID_FORM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def _canonical_uuid(value: Any) -> Any:  # noqa: ANN401
    # It stays text: pydantic makes a UUID of it for less than `uuid.UUID` does.
    if isinstance(value, str) and not UUID_FORM.fullmatch(value):
        raise ValueError("must be a UUID such as 4f9c2e3a-8d11-4c55-9b1e-0a6f2d7c8e90")
    return value


# Unicode's category Cc. A search takes a hundredth of what asking for each character's category does.
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
            "must be lower-case letters, digits and hyphens, at least two, the first and the last no hyphen"
        )
    return text


def _email(text: str) -> str:
    # Lower case comes last: the Kelvin sign becomes a k in it, and one person's address another's.
    if not re.fullmatch(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}", text):
        raise ValueError("must be an e-mail address such as ada@example.com")
    return text.lower()


# The rules of git-check-ref-format(1), of control characters those of `_printable`.
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
    # Protobuf's parsers give up at 100 nested messages, three for a level of JSON: what comes in must go out too.
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
"""Text of one line that says something, without the space around it; as short as its column asks for."""

Name = Annotated[Label, StringConstraints(max_length=255)]

Slug = Annotated[str, StringConstraints(max_length=100), AfterValidator(_slug)]

Email = Annotated[str, StringConstraints(max_length=255), AfterValidator(_email)]
"""An e-mail address, kept in lower case: addresses that differ in case alone are one mailbox where it matters."""

GitRef = Annotated[str, AfterValidator(_git_ref)]
"""The name of a git branch, as short as its column asks for."""

JsonObject = Annotated[dict[str, Any], AfterValidator(_small_json)]

Quota = Annotated[int, Field(ge=0, le=100_000)]

Etag = Annotated[Line, StringConstraints(max_length=64)]


class Target(Input):
    """A resource by its id, and the etag that it must have, if any."""

    id: ResourceId
    etag: Etag = ""


class RequestId(Input):
    """By what repetitions of a request are known."""

    request_id: ResourceId
