"""The operator's command `reelkeeper`; nothing that runs on AWS imports it, and only it knows cyclopts and rich."""

import sys


def main() -> None:
    """Run the command and end the process with its status."""
    # Here, so that importing this package costs nothing and has no effect.
    from reelkeeper.cli.app import run  # noqa: PLC0415

    sys.exit(run(sys.argv[1:]))
