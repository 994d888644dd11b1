from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from stagely_rpc.db.schema import migrations
from stagely_rpc.db.schema.migrations import MigrationError
from tests.support.schema.catalog import tables_of, triggers_of
from tests.support.schema.rows import populate, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable

SEED = [f"{number:03d}" for number in range(1, 15)]


def revisions() -> list[str]:
    """Return the revision ids from the file names."""
    return sorted(path.name[:3] for path in (migrations.migrations_directory() / "versions").glob("*.py"))


def test_revisions_are_numbered_without_a_gap() -> None:
    assert revisions() == [f"{number:03d}" for number in range(1, len(revisions()) + 1)]


def test_there_is_one_head() -> None:
    assert migrations.head_revision() == revisions()[-1]


def test_upgrade_applies_every_revision_in_order(empty_database_url: str) -> None:
    assert migrations.current_revision(empty_database_url) is None
    assert migrations.upgrade(empty_database_url, "014") == SEED
    assert migrations.upgrade(empty_database_url) == revisions()[14:]
    assert migrations.current_revision(empty_database_url) == migrations.head_revision()
    assert migrations.upgrade(empty_database_url) == []


def test_rows_survive_upgrade_downgrade_and_upgrade(database_at: Callable[[str], str]) -> None:
    url = database_at("014")
    with psycopg.connect(url, autocommit=True) as connection:
        populate(connection)
        before = rows_of(connection)
        assert all(before.values())

        migrations.upgrade(url)
        assert rows_of(connection) == before
        migrations.downgrade(url, "014")
        assert rows_of(connection) == before
        migrations.upgrade(url)
        assert rows_of(connection) == before
    migrations.check(url)


def test_downgrade_and_upgrade_restore_the_schema(fresh_database_url: str) -> None:
    with psycopg.connect(fresh_database_url, autocommit=True) as connection:
        before = tables_of(connection) | triggers_of(connection)
        migrations.downgrade(fresh_database_url, "014")
        migrations.upgrade(fresh_database_url)

        assert tables_of(connection) | triggers_of(connection) == before


def test_populated_database_can_be_downgraded_step_by_step_to_base(fresh_database_url: str) -> None:
    with psycopg.connect(fresh_database_url, autocommit=True) as connection:
        populate(connection)
        undone = [migrations.downgrade(fresh_database_url) for _ in revisions()]

        assert undone == [[revision] for revision in reversed(revisions())]
        assert tables_of(connection) | triggers_of(connection) == {}
    assert migrations.upgrade(fresh_database_url) == revisions()
    migrations.check(fresh_database_url)


def test_downgrade_of_a_seed_revision_restores_the_schema_before_it(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        made = []
        for _ in SEED:
            made.append(tables_of(connection) | triggers_of(connection))
            migrations.upgrade(empty_database_url, "+1")
        for before in reversed(made):
            migrations.downgrade(empty_database_url)
            assert tables_of(connection) | triggers_of(connection) == before


def test_check_passes_at_head(fresh_database_url: str) -> None:
    migrations.check(fresh_database_url)


def test_check_names_a_difference(fresh_database_url: str) -> None:
    with psycopg.connect(fresh_database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE teams ADD COLUMN colour text")

    with pytest.raises(MigrationError, match="colour"):
        migrations.check(fresh_database_url)


def test_check_refuses_a_schema_that_is_behind(database_at: Callable[[str], str]) -> None:
    with pytest.raises(MigrationError, match=r"^the database is at revision 014, the code needs \d{3}$"):
        migrations.check(database_at("014"))
