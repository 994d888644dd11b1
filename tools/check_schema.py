"""Check on a real database that there is one head and that the models are what the migrations make."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from stagely_rpc.db.schema import migrations
from stagely_rpc.embedded import postgres as embedded


def main() -> None:
    """Migrate an empty database, and compare."""
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
