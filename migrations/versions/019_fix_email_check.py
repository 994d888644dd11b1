"""Refuse `|` in the last part of an e-mail address. The character class `[A-Z|a-z]` allowed it."""

from __future__ import annotations

from alembic import op

revision: str = "019"
down_revision: str | None = "018"


def upgrade() -> None:
    """Narrow the check. It fails, and changes nothing, if a user has such an address."""
    _replace_check("[A-Za-z]")


def downgrade() -> None:
    """Widen the check."""
    _replace_check("[A-Z|a-z]")


def _replace_check(last_part: str) -> None:
    op.drop_constraint("valid_email", "users", type_="check")
    op.create_check_constraint(
        "valid_email", "users", rf"email ~ '^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.{last_part}{{2,}}$'"
    )
