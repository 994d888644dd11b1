"""`stagely-rpc`, and `python -m stagely_rpc`."""

from __future__ import annotations

from stagely_rpc.cli.app import app


def main() -> None:
    """Run the command line."""
    app(prog_name="stagely-rpc")


if __name__ == "__main__":
    main()
