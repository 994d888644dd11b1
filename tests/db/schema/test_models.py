from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import NullPool, create_engine, select
from sqlalchemy.orm import Session

from stagely_rpc.db.models import AuditLog, Base, Team
from tests.support.schema.catalog import tables_of
from tests.support.schema.rows import make_row

if TYPE_CHECKING:
    from collections.abc import Iterator

import pytest


@pytest.fixture
def session(fresh_database_url: str) -> Iterator[Session]:
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(fresh_database_url), poolclass=NullPool
    )
    with Session(engine) as session:
        yield session


def test_models_create_the_schema_of_the_migrations(empty_database_url: str, database_url: str) -> None:
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(empty_database_url), poolclass=NullPool
    )
    Base.metadata.create_all(engine)

    with psycopg.connect(empty_database_url) as modelled, psycopg.connect(database_url) as migrated:
        assert tables_of(modelled) == tables_of(migrated)


def test_flush_of_a_new_row_loads_its_defaults(session: Session) -> None:
    team = Team(slug="acme", name="Acme")
    session.add(team)
    session.flush()

    assert vars(team)["row_version"] == 1
    assert vars(team)["billing_plan"] == "free"
    assert vars(team)["created_at"].tzinfo is not None


def test_flush_of_a_change_loads_the_values_of_the_triggers(session: Session) -> None:
    team = Team(slug="acme", name="Acme")
    session.add(team)
    session.commit()
    created_at = team.created_at

    team.name = "Acme Corp"
    session.flush()

    assert vars(team)["row_version"] == 2
    assert vars(team)["updated_at"] > created_at


def test_addresses_are_read_as_ipaddress_objects(session: Session, fresh_database_url: str) -> None:
    with psycopg.connect(fresh_database_url, autocommit=True) as connection:
        make_row(connection, "audit_logs", actor_ip="192.0.2.1")
        make_row(connection, "audit_logs", actor_ip="2001:db8::/32")

    assert set(session.scalars(select(AuditLog.actor_ip))) == {
        ipaddress.IPv4Address("192.0.2.1"),
        ipaddress.IPv6Interface("2001:db8::/32"),
    }


def test_none_is_stored_as_null_and_not_as_json_null(session: Session) -> None:
    session.add(AuditLog(action="key.rotate", resource_type="key", details=None))
    session.flush()

    assert session.scalars(select(AuditLog.action).where(AuditLog.details.is_(None))).one() == "key.rotate"
