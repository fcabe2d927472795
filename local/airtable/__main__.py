"""`python -m local.airtable`: the stand-in on its own, until Ctrl-C."""

import argparse
import signal
import sys
import threading
from types import FrameType

from rich.console import Console

from local import ports
from local.airtable import serve
from local.airtable.faults import Fault, Kind
from local.airtable.served import Served

PORT = 8081


def main() -> int:
    """Serve until a signal; 0 always, for a taken port is only told."""
    arguments = _arguments()
    console = Console(highlight=False, soft_wrap=True)
    port = ports.choose(arguments.port, "Airtable", console.print)
    try:
        # A person's `kill` is to end as cleanly as Ctrl-C.
        signal.signal(signal.SIGTERM, _interrupt)
        with serve(port, rate_limited=not arguments.no_rate_limit) as served:
            for fault in arguments.fault:
                served.faults.put(fault)
            _introduce(console, served)
            threading.Event().wait()
    except KeyboardInterrupt:
        console.print("Stopped")
    return 0


def _introduce(console: Console, served: Served) -> None:
    console.print(f"Airtable  {served.address}   (what is in it)")
    console.print(f"token     {served.token}")
    console.print(f"base id   {served.base_id}")
    console.print(f"control   {served.address}/_control/   (faults, journal, switches, clock)")
    for fault in served.faults.waiting():
        console.print(f"fault     {fault.kind}, {fault.times or 'every'} time(s) {fault.method} {fault.table}".rstrip())
    console.print("Ctrl-C stops it.")


def _fault(text: str) -> Fault:
    kind, times, method, table, *rest = [*text.split(":"), "", "", "", ""][: max(4, text.count(":") + 1)]
    if rest or not (times.isdecimal() or times in ("", "always")):
        raise argparse.ArgumentTypeError(f"{text!r} is not KIND[:TIMES[:METHOD[:TABLE]]]")
    try:
        return Fault(Kind(kind), None if times == "always" else int(times or 1), method.upper(), table)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{kind!r} is none of {', '.join(Kind)}") from error


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.airtable", description=__doc__)
    parser.add_argument("--port", type=int, default=PORT, help="where to listen; 0 takes a free one (%(default)s)")
    parser.add_argument("--no-rate-limit", action="store_true", help="answer more than five requests in a second")
    parser.add_argument(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="KIND[:TIMES[:METHOD[:TABLE]]]",
        help=f"what goes wrong, once or TIMES times or `always`; may be given again. Kinds: {', '.join(Kind)}",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
