"""A PostgreSQL server in a container, if Docker is available.

Imports are inside the functions, because they take a third of a second: every worker imports this module, but only one
process of a run uses it.
"""

from __future__ import annotations

import gc
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

IMAGE = "postgres:18-alpine"
ANSWER_SECONDS = 5


def docker_is_available() -> bool:
    """Return whether a Docker daemon can start containers."""
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        answers = _docker_is_available()
        # Without a daemon, docker-py leaves its socket open. Collect it here, so that its warning doesn't fail a test.
        gc.collect()
    return answers


def _docker_is_available() -> bool:
    from docker.errors import DockerException  # type: ignore[import-untyped]
    from testcontainers.core.docker_client import DockerClient

    try:
        DockerClient(timeout=ANSWER_SECONDS).client.close()
    except DockerException:
        return False
    return True


@contextmanager
def postgres(settings: Mapping[str, str]) -> Iterator[str]:
    """Run PostgreSQL with these server settings. Yield the libpq URL of a superuser."""
    from testcontainers.community.postgres import PostgresContainer

    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    with PostgresContainer(IMAGE, driver=None, command=f"postgres {options}") as container:
        yield container.get_connection_url()
