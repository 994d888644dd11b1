from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.processes.workers import two_workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.processes.service import Running


@pytest.fixture(scope="module")
def pair(database_url: str) -> Iterator[Running]:
    """Two workers, for tests that do not end them."""
    with two_workers(database_url, METRICS_PORT="0") as server:
        yield server
