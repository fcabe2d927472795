"""The operator's command `reelkeeper`; nothing that runs on AWS imports it, and only it knows cyclopts and rich."""

import os
import signal
import sys


def main() -> None:
    """Run the command and end the process with its status."""
    # What the services log is for the functions' logs; a person is told what there is to tell.
    os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "CRITICAL")
    # `reelkeeper jobs | head` is no fault.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    # Here, so that importing this package costs nothing and has no effect.
    from reelkeeper.cli.app import run  # noqa: PLC0415

    sys.exit(run(sys.argv[1:]))
