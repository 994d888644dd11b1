"""A PostgreSQL in a container, where Docker answers.

Each worker imports this module and only one process of a run uses it, hence the imports inside the functions: they take
a third of a second.
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


def docker_answers() -> bool:
    """Tell whether there is a Docker daemon to start containers with."""
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        answers = _docker_answers()
        # docker-py leaves its socket open when nobody answers: collected here, its warning fails no test.
        gc.collect()
    return answers


def _docker_answers() -> bool:
    from docker.errors import DockerException  # type: ignore[import-untyped]
    from testcontainers.core.docker_client import DockerClient

    try:
        DockerClient(timeout=ANSWER_SECONDS).client.close()
    except DockerException:
        return False
    return True


@contextmanager
def postgres(settings: Mapping[str, str]) -> Iterator[str]:
    """Run a PostgreSQL with these server settings; yields the libpq URL of a superuser."""
    from testcontainers.community.postgres import PostgresContainer

    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    with PostgresContainer(IMAGE, driver=None, command=f"postgres {options}") as container:
        yield container.get_connection_url()
