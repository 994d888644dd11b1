"""`stagely-rpc`, and `python -m stagely_rpc`."""

from __future__ import annotations

import sys

USAGE_ERROR = 2


def main() -> None:
    """Run the command line. It needs the packages of the extra `server`."""
    try:
        from stagely_rpc.cli.app import app  # noqa: PLC0415

        # Imported here, because a command imports its modules when it runs.
        app(prog_name="stagely-rpc")
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.startswith("stagely"):
            raise
        print(f"stagely-rpc: {missing.name} is not installed: pip install 'stagely-rpc[server]'", file=sys.stderr)  # noqa: T201
        sys.exit(USAGE_ERROR)


if __name__ == "__main__":
    main()
