"""The database: the data model, its migrations and how to reach it."""
