"""Errors of the migrations API: one line each."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

import stagely_rpc
from stagely_rpc.db.schema import migrations
from stagely_rpc.db.schema.migrations import MigrationError

if TYPE_CHECKING:
    from collections.abc import Callable

CREATE = "import sys; from stagely_rpc.db.schema import migrations; print(migrations.create_revision(sys.argv[1]))"


@pytest.fixture
def source_tree(tmp_path: Path) -> Path:
    """A copy of the files that creating a revision needs, so that the real tree is not changed."""
    package = Path(stagely_rpc.__file__).parent
    shutil.copytree(package / "db", tmp_path / "stagely_rpc" / "db")
    shutil.copy(package / "__init__.py", tmp_path / "stagely_rpc")
    shutil.copytree(migrations.migrations_directory(), tmp_path / "migrations")
    return tmp_path


def run(source_tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", *arguments]
    return subprocess.run(command, cwd=source_tree, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("revision", ["099", "1", "01", "heads", "base", "-1", "+0", "head@x", "", "'; --"])
def test_unknown_revision_is_refused(revision: str) -> None:
    with pytest.raises(MigrationError, match=re.escape(f"unknown revision {revision!r}")):
        migrations.upgrade("postgresql://nowhere.invalid/", revision)


def test_downgrade_to_head_is_refused() -> None:
    with pytest.raises(MigrationError, match="unknown revision 'head'"):
        migrations.downgrade("postgresql://nowhere.invalid/", "head")


def test_too_many_steps_are_refused(empty_database_url: str) -> None:
    with pytest.raises(MigrationError, match=r"^migrating stopped at base: "):
        migrations.downgrade(empty_database_url)
    with pytest.raises(MigrationError, match=r"^migrating stopped at base: .*\+99"):
        migrations.upgrade(empty_database_url, "+99")


def test_database_ahead_of_the_code_is_not_changed(database_at: Callable[[str], str]) -> None:
    url = database_at("014")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '977'")

    for move in (migrations.upgrade, migrations.downgrade):
        with pytest.raises(MigrationError, match="at revision 977, ahead of the newest revision of this version"):
            move(url)
    assert migrations.current_revision(url) == "977"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:hunter22@127.0.0.1:1/stagely",
        "postgresql://ada:hun@ter22/x@127.0.0.1:1/stagely",
        "postgresql://ada:hun:ter22@127.0.0.1:1/stagely",
        "postgresql://ada:hun%40ter22@127.0.0.1:1/stagely?sslmode=disable",
        "postgresql://127.0.0.1:1/stagely?user=ada&password=hunter22",
        "host=127.0.0.1 port=1 password=hunter22",
        "postgresql:ada:hunter22@127.0.0.1:1/stagely",
        "postgresql://ada:hunter22@127.0.0.1:port/stagely",
    ],
)
def test_error_of_an_unreachable_database_is_one_line_without_the_password(url: str) -> None:
    with pytest.raises(MigrationError) as refused:
        migrations.current_revision(url)

    assert re.match("(the database is unreachable: .+|libpq can't parse the database url)$", str(refused.value))
    assert "ter22" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_reason_of_a_refused_connection_is_reported() -> None:
    with pytest.raises(MigrationError, match="Connection refused"):
        migrations.current_revision("postgres://ada:hunter22@127.0.0.1:1/stagely?sslmode=disable")


def test_new_revision_follows_the_last(source_tree: Path) -> None:
    created = run(source_tree, CREATE, "add_team_colours")
    number = f"{int(migrations.head_revision()) + 1:03d}"
    path = source_tree / "migrations" / "versions" / f"{number}_add_team_colours.py"

    assert created.stdout.splitlines() == [str(path)], created.stderr
    assert run(source_tree, MIGRATIONS_OF_TREE).stdout.split() == [number, migrations.head_revision()]
    assert '"""Add team colours."""' in path.read_text()


MIGRATIONS_OF_TREE = (
    "from stagely_rpc.db.schema import migrations; from alembic.script import ScriptDirectory;"
    "head = migrations.head_revision();"
    "print(head, ScriptDirectory(migrations.migrations_directory()).get_revision(head).down_revision)"
)


@pytest.mark.parametrize(
    "name", ["", "Add", "add colours", "add-colours", "../add", "add__x", "_add", "1add", "a" * 61]
)
def test_name_that_is_not_snake_case_is_refused(name: str) -> None:
    with pytest.raises(MigrationError, match="lower_snake_case"):
        migrations.create_revision(name)


def test_installed_package_finds_its_migrations_but_cannot_create_one(source_tree: Path) -> None:
    (source_tree / "migrations").rename(source_tree / "stagely_rpc" / "_migrations")
    head = run(source_tree, "from stagely_rpc.db.schema import migrations; print(migrations.head_revision())")
    created = run(source_tree, CREATE, "add_team_colours")

    assert head.stdout.strip() == migrations.head_revision()
    assert "MigrationError: revisions can be created only in a source tree" in created.stderr


def test_missing_migrations_are_reported(source_tree: Path) -> None:
    shutil.rmtree(source_tree / "migrations")
    head = run(source_tree, "from stagely_rpc.db.schema import migrations; print(migrations.head_revision())")

    assert head.stderr.strip().endswith("MigrationError: the migrations are not installed")
