"""The operator's command `reelkeeper`; nothing that runs on AWS imports it, and only it knows cyclopts and rich."""

import gc
import os
import signal
import sys


def main() -> None:
    """Run the command and end the process with its status."""
    # What the services log is for the functions' logs; a person is told what there is to tell.
    os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "CRITICAL")
    # `reelkeeper jobs | head` is no fault.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    # boto3 and its models are hundreds of thousands of objects that stay; to look for garbage among them takes 70 ms of 500.
    gc.set_threshold(200_000)
    # Here, so that importing this package costs nothing and has no effect.
    from reelkeeper.cli.app import INTERRUPTED, run  # noqa: PLC0415

    status = run(sys.argv[1:])
    if status == INTERRUPTED:
        # Threads may be in the middle of something; whoever presses Ctrl-C does not want to wait for them.
        sys.stderr.flush()
        os._exit(status)
    # Nor need Python look through them once more before it ends: that would take another 100.
    gc.freeze()
    sys.exit(status)
