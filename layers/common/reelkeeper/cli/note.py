"""How far a copy by hand came, kept between two calls of the same command."""

import hashlib
import os
from pathlib import Path


class Note:
    """A file of its own for each copy, under the user's state folder, until it is done: the copy's `Checkpoint`."""

    def __init__(self, url: str, target: str) -> None:
        # Without the query: a signature is renewed, and what it signs stays the same.
        same = hashlib.sha256(f"{url.partition('?')[0]}\n{target}".encode()).hexdigest()[:32]
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        self._file = Path(state) / "reelkeeper" / "copies" / same

    def load(self) -> str | None:
        try:
            return self._file.read_text("utf-8")
        except FileNotFoundError:
            return None

    def save(self, text: str | None) -> None:
        if text is None:
            self._file.unlink(missing_ok=True)
            return
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # In one step, so that a kill leaves the old note or the new one.
        fresh = self._file.with_suffix(".new")
        fresh.write_text(text, "utf-8")
        fresh.replace(self._file)
