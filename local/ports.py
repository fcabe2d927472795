"""Ports of this machine: the wanted one if it is free, else another, and a line that says so."""

import socket
from collections.abc import Callable

Report = Callable[[str], None]


def silent(_step: str) -> None:
    """A report for those who need none."""


def choose(wanted: int, what: str, report: Report = silent) -> int:
    """`wanted` if nobody listens there, else a port the system picks; 0 always lets the system pick, and says nothing."""
    if wanted and _free(wanted):
        return wanted
    port = _any()
    if wanted:
        report(f"Port {wanted} is in use by another program; {what} takes {port}")
    return port


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # Without SO_REUSEADDR a port that a run just left would count as taken for a minute.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _any() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
