"""Child processes that never outlive us: each leads a group of its own, and the whole group ends with the `with` block."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

# So long a child may take to clean up before its group is killed.
PATIENCE_S = 5.0


class CommandFailed(RuntimeError):
    """A command ended with another status than 0; the message carries the end of what it said."""


@contextmanager
def running(
    command: Sequence[str], *, environ: Mapping[str, str], log: Path, cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` in the background for as long as the block lasts; its output goes to `log`."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environ),
            cwd=cwd,
            start_new_session=True,
        )
    try:
        yield child
    finally:
        end(child)


def tied(command: Sequence[str], *, by: str = "TERM") -> list[str]:
    """The command such that Linux ends it, with the signal `by`, should we be killed outright (setpriv is part of Debian)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", by, *command] if setpriv else list(command)


def run(command: Sequence[str], *, environ: Mapping[str, str], log: Path, cwd: Path | None = None) -> None:
    """Run `command` to its end; raises `CommandFailed`."""
    start = log.stat().st_size if log.exists() else 0
    with running(command, environ=environ, log=log, cwd=cwd) as child:
        status = child.wait()
    if status:
        said = log.read_bytes()[start:].decode(errors="replace").strip().splitlines()
        name = " ".join([Path(command[0]).name, *command[1:2]])
        raise CommandFailed("\n".join([f"{name} ended with status {status}; all it said is in {log}:", *said[-30:]]))


def end(child: subprocess.Popen[bytes]) -> None:
    """End the child and everything it started: asked first, then made to."""
    with suppress(ProcessLookupError, subprocess.TimeoutExpired):
        os.killpg(child.pid, signal.SIGTERM)
        child.wait(PATIENCE_S)
    # The group may hold grandchildren still, whether or not the child itself has gone.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
