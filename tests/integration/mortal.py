"""A worker that may be killed: `python -m tests.integration.mortal` copies with the real engine, ledger and store adapters.

Each line read is a JSON object of `url` and `key`; each worker is forked, so that what is imported is imported once and no
worker inherits a connection. Lines answer: its process id; `part` whenever one is in the store and noted; and how it ended:
`done`, `again`, `killed` or `failed`.
"""

import json
import os
import sys

from reelkeeper.adapters import clients
from reelkeeper.adapters.bucket import Bucket
from reelkeeper.adapters.ledger import Ledger
from reelkeeper.adapters.source import Source
from reelkeeper.domain.errors import RetryLater
from reelkeeper.services.outputs import Bookmark
from reelkeeper.services.transfer import Copier
from reelkeeper.settings import SourceSettings, StorageSettings

DONE, AGAIN = 0, 3
LEFT_S = 20.0
_WORDS = {DONE: "done", AGAIN: "again", -9: "killed"}


def main() -> None:
    for line in sys.stdin:
        wanted = json.loads(line)
        child = os.fork()
        if child == 0:
            _copy(wanted["url"], wanted["key"])
        _say(str(child))
        _, status = os.waitpid(child, 0)
        _say(_WORDS.get(os.waitstatus_to_exitcode(status), "failed"))


def _say(word: str) -> None:
    # At once and in one piece, from whichever process and thread.
    os.write(1, f"{word}\n".encode())


def _copy(url: str, key: str) -> None:
    status = 1
    try:
        keys = (os.environ["STORAGE_ACCESS_KEY"], os.environ["STORAGE_SECRET_KEY"])
        bucket = Bucket(StorageSettings.read(os.environ), keys=keys)
        ledger = Ledger(clients.dynamodb(), os.environ["TABLE"])
        copier = Copier(Source(SourceSettings.read(os.environ)), bucket)
        copier.copy(
            url,
            key,
            name=key,
            confirmed=True,
            checkpoint=Bookmark(ledger, os.environ["JOB_ID"], 0),
            # As in a function that has little time left: its parts are short.
            left_s=lambda: LEFT_S,
            progress=lambda _done, _size: _say("part"),
        )
        status = DONE
    except RetryLater as error:
        print(error, file=sys.stderr, flush=True)
        status = AGAIN
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
