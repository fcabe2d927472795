"""A command in a pseudo-terminal, and what a person then sees on it: the text after all moving and erasing of the cursor."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

COLUMNS, LINES = 120, 50
REELKEEPER = str(Path(sys.executable).with_name("reelkeeper"))
# A control sequence (ECMA-48), a control character, or text.
_PIECES = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b[@-Z\\-_]|([\r\n])|([^\x1b\r\n]+)")

_ASKS = re.compile(rb"\[y/N\]|\(not shown\): ")


@dataclass(frozen=True, slots=True)
class Shown:
    """What was on the terminal at the end, and the exit status."""

    text: str
    status: int


def show(command: Sequence[str], *, environ: Mapping[str, str], types: str = "", timeout: float = 120) -> Shown:
    """Run a command in a terminal of 120 columns and wait for its end; `types` is typed when it asks."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "REELKEEPER_"))}
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={
            **inherited,
            "TERM": "xterm-256color",
            "COLUMNS": str(COLUMNS),
            "LINES": str(LINES),
            "PYTHONWARNINGS": "ignore",
            **environ,
        },
        start_new_session=True,
        # The new session gets this terminal, so that ^C on it interrupts the command.
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - nothing else of this process is touched
    )
    os.close(theirs)
    heard: list[bytes] = []
    reader = threading.Thread(target=_read, args=(ours, heard), daemon=True)
    reader.start()
    try:
        if types:
            _wait_for_the_question(heard, process, timeout)
            os.write(ours, types.encode())
        status = process.wait(timeout)
        reader.join(timeout)
    finally:
        process.kill()
        os.close(ours)
    return Shown(render(b"".join(heard).decode(errors="replace")), status)


def render(raw: str) -> str:
    """The lines that stand on a terminal after all this was written to it; colours are passed over."""
    lines, row, column = [""], 0, 0
    for piece in _PIECES.finditer(raw):
        numbers, final, control, text = piece.groups()
        if text:
            lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + len(text) :]
            column += len(text)
        elif control == "\r":
            column = 0
        elif control == "\n":
            row, column = row + 1, 0
            if row == len(lines):
                lines.append("")
        elif final == "A":
            row = max(row - int(numbers or 1), 0)
        elif final == "K":
            lines[row] = "" if numbers == "2" else lines[row][:column]
    return "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"


def _wait_for_the_question(heard: list[bytes], process: "subprocess.Popen[bytes]", timeout: float) -> None:
    ends = time.monotonic() + timeout
    while not _ASKS.search(b"".join(heard)) and process.poll() is None and time.monotonic() < ends:
        time.sleep(0.02)


def _read(terminal: int, heard: list[bytes]) -> None:
    while True:
        try:
            some = os.read(terminal, 65_536)
        except OSError:
            # Linux says so when the other end is closed.
            return
        if not some:
            return
        heard.append(some)
