from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from stagely_rpc.errors import UnauthenticatedError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def unauthenticated(reason: str, *, token: str = "") -> Iterator[None]:
    """Expect that a token is refused for a reason, and that the error contains no part of the token."""
    with pytest.raises(UnauthenticatedError) as refused:
        yield
    assert refused.value.reason == reason
    assert refused.value.message
    assert not any(part in repr(refused.value) for part in token.split(".") if len(part) > 3)
    # A library's error may quote the token, and logs show the cause of an error.
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
