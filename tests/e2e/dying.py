"""Persist in a process that dies on its k-th request to the network: `python -m tests.e2e.dying` serves the kill tests.

Each line read is a JSON object of `text` (a message), `dies_at` (which request it does not make any more; 0: it lives) and
`later_s` (how late it is by the clock); each line written is how it ended: `died`, `done`, or `again` for a message that has
to come back.
"""

import json
import os
import random
import sys
from datetime import UTC, datetime, timedelta

from reelkeeper.services.batch import Delivery
from reelkeeper.services.outside import Outside
from reelkeeper.services.persist import persist
from reelkeeper.settings import Settings

DIED, DONE, AGAIN = 9, 0, 3
_WORDS = {DIED: "died", DONE: "done", AGAIN: "again"}


def main() -> None:
    """Fork one worker for each line: what is imported is imported once, and no worker inherits a connection."""
    for line in sys.stdin:
        wanted = json.loads(line)
        child = os.fork()
        if child == 0:
            _work(wanted["text"], wanted["dies_at"], timedelta(seconds=wanted["later_s"]))
        _, status = os.waitpid(child, 0)
        print(_WORDS.get(os.waitstatus_to_exitcode(status), "failed"), flush=True)


def _work(text: str, dies_at: int, later: timedelta) -> None:
    requests = 0

    def count(event: str, what: tuple[object, ...]) -> None:
        nonlocal requests
        # Raised by the standard library for head and body of every request, whoever makes it.
        if event == "http.client.send" and _is_head(what[1]):
            requests += 1
            if requests == dies_at:
                os._exit(DIED)

    sys.addaudithook(count)
    status = 1
    try:
        again = persist(
            [Delivery("message", "receipt", text)],
            outside=Outside.from_settings(Settings.read(os.environ)),
            clock=lambda: datetime.now(UTC) + later,
            chance=random.random,
            owner=f"worker-{os.getpid()}",
        )
        status = AGAIN if again else DONE
    finally:
        os._exit(status)


def _is_head(words: object) -> bool:
    return isinstance(words, bytes) and b" HTTP/1." in words.partition(b"\r\n")[0]


if __name__ == "__main__":
    main()
