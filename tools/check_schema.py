"""Check on a real database that the migrations have one head, and that they create the tables of the models."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from stagely_rpc.db.schema import migrations
from stagely_rpc.embedded import postgres as embedded


def main() -> None:
    """Migrate an empty database, then compare it with the models."""
    with tempfile.TemporaryDirectory(prefix="stagely-") as scratch:
        postgres = embedded.start(Path(scratch) / "postgres", settings={"fsync": "off"})
        with postgres:
            migrations.upgrade(postgres.url)
            migrations.check(postgres.url)


if __name__ == "__main__":
    try:
        main()
    except (migrations.MigrationError, embedded.EmbeddedError) as error:
        sys.exit(str(error))
