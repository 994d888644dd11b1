"""The database layer: models, migrations, sessions and the connection pool."""
