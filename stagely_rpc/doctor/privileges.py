"""Check of the table privileges of the role in DATABASE_URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely_rpc.db.models import AuditLog, AuditSeal, Base
from stagely_rpc.doctor.findings import fail, ok

if TYPE_CHECKING:
    import psycopg

    from stagely_rpc.doctor.findings import Outcome
    from stagely_rpc.settings.model import Settings

_ALL = ("SELECT", "INSERT", "UPDATE", "DELETE")
_APPEND_ONLY = ("SELECT", "INSERT")
_READ_ONLY = ("SELECT",)
_TABLES = {
    **dict.fromkeys(Base.metadata.tables, _ALL),
    **dict.fromkeys((AuditLog.__tablename__, AuditSeal.__tablename__), _APPEND_ONLY),
    "alembic_version": _READ_ONLY,
}
_MISSING = """
    SELECT name, privilege FROM unnest(%s::text[], %s::text[]) AS needed (name, privilege)
    WHERE NOT has_table_privilege(name, privilege)
"""
_OWNS_ALL = "SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM pg_class WHERE oid = ANY (%s::text[]::regclass[])"


def privileges(connection: psycopg.Connection, _: Settings) -> Outcome:
    """Check that the role has the privileges that the service needs. The right to migrate is reported, not required."""
    needed = [(table, privilege) for table, privileges in _TABLES.items() for privilege in privileges]
    missing = connection.execute(_MISSING, [list(column) for column in zip(*needed, strict=True)]).fetchall()
    role = connection.info.user
    if missing:
        grants = "; ".join(f"GRANT {privilege} ON {table} TO {role}" for table, privilege in missing)
        lacks = ", ".join(f"{privilege} on {table}" for table, privilege in missing)
        return fail(f"role {role} lacks {lacks}", grants)
    (owns,) = connection.execute(_OWNS_ALL, [list(_TABLES)]).fetchone() or (False,)
    migrating = "can migrate" if owns else "can't migrate: another role owns them"
    return ok(f"role {role} can use all {len(_TABLES)} tables, and {migrating}")
