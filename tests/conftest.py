"""The PostgreSQL of the suite and its databases, and the markers that tests get automatically."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import hypothesis
import pytest
import uvloop

from tests.support.markers import is_external, is_slow, starts_processes
from tests.support.postgres import PostgresBroker, PostgresOfRun, PostgresServer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from xdist.workermanage import WorkerController  # type: ignore[import-untyped]

# No deadline per example: on a busy machine, the time of an example means nothing.
hypothesis.settings.register_profile("suite", deadline=None, print_blob=True)
hypothesis.settings.load_profile("suite")

POSTGRES = pytest.StashKey[PostgresOfRun]()
BROKER = pytest.StashKey[PostgresBroker]()
BROKER_ADDRESS = "postgres_broker"
NO_SKIPS_VARIABLE = "STAGELY_TEST_NO_SKIPS"


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers. In the main process, prepare PostgreSQL, which starts when a test needs it."""
    config.addinivalue_line("markers", "integration: uses a PostgreSQL, through one of its fixtures")
    config.addinivalue_line("markers", "external: needs other programs, many processes or minutes")
    config.addinivalue_line("markers", "process: starts a process in addition to PostgreSQL")
    config.addinivalue_line("markers", "slow: waits for seconds, or covers every request, statement or revision")
    if not hasattr(config, "workerinput"):
        config.stash[POSTGRES] = PostgresOfRun()
        # Handle SIGTERM like Ctrl-C, so that a run under `timeout` or in a cancelled job leaves no server behind.
        signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Give each worker the address of the broker, from which it gets the server."""
    stash = node.config.stash
    if BROKER not in stash:
        stash[BROKER] = PostgresBroker(stash[POSTGRES])
    node.workerinput[BROKER_ADDRESS] = stash[BROKER].address


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run async tests on uvloop, as the service does."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add the markers, before `-m` selects tests by them."""
    for item in items:
        if is_external(item.path):
            item.add_marker("external")
        if is_external(item.path) or starts_processes(item.path):
            item.add_marker("process")
        if is_slow(item.path):
            item.add_marker("slow")
        if "postgres_server" in getattr(item, "fixturenames", ()):
            item.add_marker("integration")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print which PostgreSQL the run used."""
    server = config.stash[POSTGRES].server
    terminalreporter.write_line(f"postgresql: {server.source if server else 'not used'}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run with skipped tests if the variable is set. CI sets it, because no program may be missing there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped") and os.environ.get(NO_SKIPS_VARIABLE):
        reporter.write_line(f"{NO_SKIPS_VARIABLE} is set, and tests were skipped: see their reasons", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the broker and PostgreSQL, after Ctrl-C too."""
    if BROKER in config.stash:
        config.stash[BROKER].close()
    if POSTGRES in config.stash:
        config.stash[POSTGRES].close()


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> PostgresServer:
    """The PostgreSQL of the run, shared by its workers."""
    if hasattr(pytestconfig, "workerinput"):
        return PostgresBroker.request(pytestconfig.workerinput[BROKER_ADDRESS])
    return pytestconfig.stash[POSTGRES].get()


@pytest.fixture(scope="session")
def template_database(postgres_server: PostgresServer) -> str:
    """The name of a database migrated to head. It is only for copying: it accepts no connections."""
    return postgres_server.migrated_template()


@pytest.fixture(scope="session")
def database_url(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    """A migrated database that the tests of this worker share."""
    url = postgres_server.create_database(template_database)
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def clone_database(postgres_server: PostgresServer, template_database: str) -> Iterator[Callable[[], str]]:
    """A function that creates a migrated database for this test only, and returns its URL."""
    clones: list[str] = []

    def clone() -> str:
        clones.append(postgres_server.create_database(template_database))
        return clones[-1]

    yield clone
    for url in clones:
        postgres_server.drop_database(url)


@pytest.fixture
def fresh_database_url(clone_database: Callable[[], str]) -> str:
    """A migrated database for this test only, for tests with races or DDL, or that count all rows."""
    return clone_database()


@pytest.fixture
def empty_database_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty database for this test only. No revision has been applied."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)
