"""`python -m local.nca`: the stand-in NCA on its own, until Ctrl-C."""

import argparse
import signal
import threading

from rich.console import Console

from local import ports
from local.nca import Fault, serve


def main() -> None:
    """Serve until someone asks it to stop."""
    console = Console(highlight=False)
    arguments = _arguments()
    stop = threading.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, lambda *_: stop.set())
    port = ports.choose(arguments.port, "NCA", console.print)
    with serve(port, longest_queue=arguments.max_queue_length) as nca:
        for fault in arguments.fault:
            nca.switches.on(fault)
        control = f"{nca.address}/_control"
        console.print(f"NCA listens on {nca.address}; its x-api-key is {nca.api_key}")
        console.print(f"Upload an input:  curl -T film.mp4 {control}/inputs/film.mp4", soft_wrap=True)
        fault = '{"fault": "no-callback", "times": 1}'
        console.print(f"Switch a fault:   curl --json '{fault}' {control}/faults", soft_wrap=True)
        console.print(f"Kill and restart: curl -X POST {control}/restart", soft_wrap=True)
        console.print("Ctrl-C stops it.")
        stop.wait()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.nca", description=main.__doc__)
    parser.add_argument("--port", type=int, default=8080, help="where it listens; another if that is taken (%(default)s)")
    parser.add_argument("--max-queue-length", type=int, help="answer 429 when so many wait (default: never)")
    faults = ", ".join(Fault)
    parser.add_argument("--fault", type=Fault, action="append", default=[], metavar="FAULT", help=f"have one on: {faults}")
    return parser.parse_args()


if __name__ == "__main__":
    main()
