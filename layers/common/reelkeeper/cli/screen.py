"""What people see: answers on stdout, everything about the work itself on stderr; plain text where it is not a terminal."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

# Piped, a line is a line: whoever reads it cuts it as he likes.
_PIPED_WIDTH = 4_000


class NotConfirmed(Exception):
    """Nobody is there to say yes; the message says how to say it beforehand."""


class Screen:
    """Two consoles; rich itself leaves out colours for NO_COLOR and where nobody looks."""

    def __init__(self) -> None:
        self._out = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)
        self._err = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _PIPED_WIDTH)

    def say(self, text: str = "", style: str = "") -> None:
        """One line of the answer, as it stands: what looks like markup in it is text."""
        self._out.print(escape(text), style=style or None, soft_wrap=True)

    def hint(self, text: str) -> None:
        """What may be done next; not part of the answer."""
        self._err.print(escape(text), style="dim", soft_wrap=True)

    def problem(self, text: str) -> None:
        """Why it did not work, with the remedy, in one line."""
        self._err.print(escape(" ".join(text.split())), style="red", soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "") -> None:
        """A table; cells may carry rich's markup, so the caller escapes what others wrote."""
        table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*row)
        self._out.print(table)

    def show(self, renderable: object) -> None:
        """Anything rich can draw."""
        self._out.print(renderable)

    def json(self, value: Any) -> None:
        """The answer for a program: JSON, one document."""
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    @contextmanager
    def working(self, what: str) -> Iterator[Callable[[str], None]]:
        """A turning sign on a terminal while the block lasts; the yielded function changes its text."""
        with self._err.status(escape(what)) as status:
            yield lambda text: status.update(escape(text))

    def confirm(self, question: str, *, yes: bool) -> bool:
        """Whether to go on: `yes` says so beforehand; else a person is asked. Raises NotConfirmed where there is none."""
        if yes:
            return True
        if not sys.stdin.isatty():
            raise NotConfirmed(f"{question} Nobody is there to ask: add --yes to do it, or --dry-run to only see it.")
        self._err.print(f"{escape(question)} [bold]\\[y/N][/] ", end="")
        return sys.stdin.readline().strip().lower() in ("y", "yes")
