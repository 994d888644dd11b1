"""The error message of the service for a database that it can't use."""

from __future__ import annotations

from tests.support.processes.service import run, settings_for


def refusal(url: str) -> str:
    """Return the one line that `serve` prints when it refuses to start. Check that `migrate up` prints the same."""
    ended = [run("serve", env=settings_for(url)), run("migrate", "up", env=settings_for(url))]

    assert [process.returncode for process in ended] == [2, 2]
    (line,) = {process.stderr for process in ended}
    assert line.count("\n") == 1
    return line
