"""Checks of the stored data: the schema revision and the encryption keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely_rpc.crypto.envelope import Keyring
from stagely_rpc.db.schema.revision import needed_revision
from stagely_rpc.doctor.findings import fail, ok, warn
from stagely_rpc.doctor.postgres import value

if TYPE_CHECKING:
    import psycopg

    from stagely_rpc.doctor.findings import Outcome
    from stagely_rpc.settings.model import Settings

_KEYS = "SELECT key_encryption_key_id, count(*) FROM data_keys GROUP BY 1 ORDER BY 1"


def schema(connection: psycopg.Connection, _: Settings) -> Outcome:
    """Check that the schema is at the revision that this version needs, or a later one."""
    needed, found = needed_revision(), None
    if value(connection, "SELECT to_regclass('alembic_version') IS NOT NULL"):
        found = value(connection, "SELECT version_num FROM alembic_version")
    revisions = f"revision {found or 'none'}, needed is {needed}"
    if found is None or found < needed:
        return fail(revisions, "run `stagely-rpc migrate up`")
    if found > needed:
        return warn(revisions, "a newer version of the service migrated the schema: finish its rollout")
    return ok(revisions)


def encryption_key(connection: psycopg.Connection, settings: Settings) -> Outcome:
    """Check that every data key is encrypted with ENCRYPTION_KEY."""
    own = Keyring(settings.encryption_key_bytes).key_encryption_key_id
    stored: dict[str, int] = dict(connection.execute(_KEYS).fetchall())
    here = f"ENCRYPTION_KEY is {own}" if own else "ENCRYPTION_KEY is not set"
    foreign = {name: count for name, count in stored.items() if name != own}
    if foreign:
        others = ", ".join(f"{count} with {name}" for name, count in foreign.items())
        return fail(
            f"data keys are encrypted with other keys ({others}), {here}",
            "set ENCRYPTION_KEY to the key that encrypted them",
        )
    if own is None:
        return warn(f"{here}: no secret can be stored", "`stagely-rpc keys generate` prints one")
    return ok(f"{here}, and encrypts all {stored.get(own, 0)} data keys")
