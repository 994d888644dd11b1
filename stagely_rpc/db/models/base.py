"""The base of the data model.

The migrations define the schema. The model classes mirror it at the head revision: columns, checks, keys, indexes and
comments (`migrations.check` compares what alembic can; a test compares the catalogs). Triggers and their functions are
defined only in the migrations.

A nullable column is `X | None`. Network addresses (INET) are `ipaddress` objects, as psycopg returns them: an address
without a mask is an `IPv4Address` or `IPv6Address`.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Annotated, Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    FetchedValue,
    MetaData,
    Numeric,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column

POSTGRESQL_NAMES = {
    "pk": "%(table_name)s_pkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
}
"""PostgreSQL's default names of constraints. Checks and indexes always have explicit names here."""

PYTHON_TYPES = {
    datetime: DateTime(timezone=True),
    dict[str, Any]: JSONB(none_as_null=True),
    Decimal: Numeric(10, 4),
    str: Text(),
}

IpAddress = IPv4Address | IPv6Address | IPv4Interface | IPv6Interface
Id = Annotated[uuid.UUID, mapped_column(Uuid, primary_key=True, server_default=func.gen_random_uuid())]
Now = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]
UpdatedAt = Annotated[
    datetime, mapped_column(DateTime(timezone=True), server_default=func.now(), server_onupdate=FetchedValue())
]
RowVersion = Annotated[
    int,
    mapped_column(
        BigInteger,
        server_default=text("1"),
        server_onupdate=FetchedValue(),
        comment="Counts the writes of this row, 1 when it is new; a trigger raises it, etags are made of it",
    ),
]

LIVE_STATUSES = ("pending", "building", "deploying", "ready")
"""The statuses of live environments, which count against the team's quota."""

SLUG_CHECK = "slug ~ '^[a-z0-9][a-z0-9-]*[a-z0-9]$'"
NEWEST_FIRST = (text("created_at DESC"), text("id DESC"))
LATEST_FIRST = (text("timestamp DESC"), text("id DESC"))
# RETURNING fetches what triggers write during UPDATE and INSERT.
RETURN_WRITTEN_DEFAULTS = {"eager_defaults": True}
SENSITIVE = {"sensitive": True}
"""Marks a column whose values never appear in the audit log."""
TRUE, FALSE, EMPTY_OBJECT = text("true"), text("false"), text("'{}'")


class Base(DeclarativeBase):
    """The declarative base. `Base.metadata` is the schema."""

    metadata = MetaData(naming_convention=POSTGRESQL_NAMES)
    type_annotation_map = PYTHON_TYPES
    __mapper_args__ = RETURN_WRITTEN_DEFAULTS
