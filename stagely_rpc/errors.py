"""The domain errors. They are independent of gRPC: one table in `interceptors.errors` maps each to its status code.

The caller sees each message. Write it in lower case, without a final period, secrets or SQL. Chain details that only
the log may show with `raise ... from`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Violation:
    """An invalid field of a request: its path in the proto, and what is allowed."""

    field: str
    description: str


class StagelyError(Exception):
    """An error whose message and reason the caller sees.

    Attributes:
        message: says what happened, for people.
        reason: says what happened, for programs: UPPER_SNAKE_CASE, unique in the domain `stagely.dev` (AIP-193).
    """

    default_reason: ClassVar[str]

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason


class InvalidArgumentError(StagelyError):
    """The request is invalid in any state of the store."""

    default_reason = "INVALID_REQUEST"

    def __init__(self, violations: Sequence[Violation], *, reason: str | None = None) -> None:
        super().__init__(
            "; ".join(f"{v.field}: {v.description}" if v.field else v.description for v in violations), reason=reason
        )
        self.violations = tuple(violations)

    @classmethod
    def of(cls, field: str, description: str, *, reason: str | None = None) -> InvalidArgumentError:
        """Return the error of one field."""
        return cls((Violation(field, description),), reason=reason)


class ResourceError(StagelyError):
    """An error about one named resource.

    Attributes:
        resource_type: the message that describes the resource, such as `stagely.v1.Team`.
        resource_name: the id or natural key that the caller gave.
    """

    def __init__(self, message: str, *, resource_type: str, resource_name: str, reason: str | None = None) -> None:
        super().__init__(message, reason=reason)
        self.resource_type = f"stagely.v1.{resource_type}"
        self.resource_name = resource_name


class NotFoundError(ResourceError):
    """The resource does not exist, or the caller may not see it."""

    default_reason = "RESOURCE_NOT_FOUND"

    def __init__(self, resource_type: str, resource_name: object) -> None:
        super().__init__(
            f"{resource_type} {str(resource_name)!r} not found",
            resource_type=resource_type,
            resource_name=str(resource_name),
        )


class AlreadyExistsError(ResourceError):
    """A unique value is already taken."""

    default_reason = "RESOURCE_EXISTS"


class UnauthenticatedError(StagelyError):
    """The caller did not authenticate."""

    default_reason = "UNAUTHENTICATED"


class PermissionDeniedError(StagelyError):
    """The authenticated caller may not do this. It can be the cause of a NotFoundError, which hides the denial.

    Attributes:
        team_id: the team that owns the requested resource, if known. The caller does not see it.
    """

    default_reason = "PERMISSION_DENIED"

    def __init__(self, message: str, *, reason: str, team_id: uuid.UUID | None = None) -> None:
        super().__init__(message, reason=reason)
        self.team_id = team_id


class FailedPreconditionError(StagelyError):
    """The store is in the wrong state for the request.

    Attributes:
        subject: the resource in the wrong state, such as `Team 7f3f…`.
    """

    default_reason = "WRONG_STATE"

    def __init__(self, message: str, *, subject: str, reason: str | None = None) -> None:
        super().__init__(message, reason=reason)
        self.subject = subject


class AbortedError(StagelyError):
    """The caller lost a race, or its data is stale: read again, then retry.

    Attributes:
        may_run_again: whether the service may rerun the call, because the call itself lost the race.
    """

    default_reason = "CONCURRENT_CHANGE"

    def __init__(self, message: str, *, reason: str | None = None, may_run_again: bool = False) -> None:
        super().__init__(message, reason=reason)
        self.may_run_again = may_run_again


class ResourceExhaustedError(StagelyError):
    """A quota is used up."""

    default_reason = "QUOTA_EXCEEDED"

    def __init__(self, message: str, *, subject: str, reason: str | None = None) -> None:
        super().__init__(message, reason=reason)
        self.subject = subject


class DataLossError(StagelyError):
    """A stored ciphertext does not authenticate, or its key is missing. There is no value to return."""

    default_reason = "CIPHERTEXT_INVALID"


class DeadlineExceededError(StagelyError):
    """The call, or one of its statements, exceeded its time limit."""

    default_reason = "STATEMENT_TIMEOUT"


class TransientError(StagelyError):
    """A temporary fault.

    Attributes:
        retry_after_seconds: the delay after which to retry.
    """

    def __init__(self, message: str, *, retry_after_seconds: float = 1.0, reason: str | None = None) -> None:
        super().__init__(message, reason=reason)
        self.retry_after_seconds = retry_after_seconds


class UnavailableError(TransientError):
    """The database can't be reached, or can't be written to."""

    default_reason = "DATABASE_UNAVAILABLE"


class OverloadedError(TransientError):
    """The service is overloaded: too many calls are running, or no connection became free in time."""

    default_reason = "OVERLOADED"


class DrainingError(TransientError):
    """The server is draining, so it ends its streams.

    Attributes:
        resume_token: the token to resume the stream on any replica. Empty if the stream has none.
    """

    default_reason = "SERVER_DRAINING"

    def __init__(self, resume_token: str = "") -> None:
        super().__init__("the server is stopping: resume on another connection", retry_after_seconds=0.2)
        self.resume_token = resume_token


class ListenError(Exception):
    """The server can't listen on a port. The message is one line with the address and the likely cause."""

    def __init__(self, address: str) -> None:
        super().__init__(f"can't listen on {address}: is the port taken?")
