"""What people see: answers on stdout, everything about the work itself on stderr; plain text where it is not a terminal."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

# rich takes 60 ms to import and many a call prints one plain line, or none.
if TYPE_CHECKING:
    from rich.console import Console

# Piped, a line is a line: whoever reads it cuts it as he likes.
_PIPED_WIDTH = 4_000
# What is no longer than an id stays in one line; of what is longer at least this much does.
_SHORT, _LEAST = 40, 24


class NotConfirmed(Exception):
    """Nobody is there to say yes; the message says how to say it beforehand."""


class Screen:
    """Two consoles; rich itself leaves out colours for NO_COLOR and where nobody looks."""

    @cached_property
    def _out(self) -> "Console":
        return _console(stderr=False)

    @cached_property
    def _err(self) -> "Console":
        return _console(stderr=True)

    def say(self, text: str = "", style: str = "") -> None:
        """One line of the answer, as it stands: what looks like markup in it is text."""
        if not style and not sys.stdout.isatty():
            print(text)
            return
        self._out.print(_as_it_stands(text), style=style or None, soft_wrap=True)

    def hint(self, text: str) -> None:
        """What may be done next; not part of the answer."""
        self._err.print(_as_it_stands(text), style="dim", soft_wrap=True)

    def problem(self, text: str) -> None:
        """Why it did not work, with the remedy, in one line."""
        self._err.print(_as_it_stands(" ".join(text.split())), style="red", soft_wrap=True)

    def some(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, most: int) -> None:
        """A table of the first rows, and how many more there are."""
        self.table(columns, rows[:most])
        if len(rows) > most:
            self.say(f"… and {len(rows) - most:,} more")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "") -> None:
        """A table; cells may carry rich's markup, so the caller escapes what others wrote."""
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
        needed = 0
        for place, column in enumerate(columns):
            lines = [line for row in rows for line in Text.from_markup(row[place]).split()]
            longest = max((line.cell_len for line in lines), default=0)
            short = longest <= _SHORT
            table.add_column(column, overflow="fold", no_wrap=short, min_width=None if short else _LEAST)
            needed += max(len(column), longest if short else _LEAST) + 2
        for row in rows:
            table.add_row(*row)
        # On a narrow terminal lines run on: an id that is cut in two could not be copied.
        width = self._out.width
        self._out.width = max(width, needed)
        self._out.print(table, crop=False)
        self._out.width = width

    def show(self, renderable: object) -> None:
        """Anything rich can draw."""
        self._out.print(renderable)

    def json(self, value: Any) -> None:
        """The answer for a program: JSON, one document."""
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    @contextmanager
    def working(self, what: str) -> Iterator[Callable[[str], None]]:
        """A turning sign on a terminal while the block lasts; the yielded function changes its text."""
        with self._err.status(_as_it_stands(what)) as status:
            yield lambda text: status.update(_as_it_stands(text))

    def confirm(self, question: str, *, yes: bool) -> bool:
        """Whether to go on: `yes` says so beforehand; else a person is asked. Raises NotConfirmed where there is none."""
        if yes:
            return True
        if not sys.stdin.isatty():
            raise NotConfirmed(f"{question} Nobody is there to ask: add --yes to do it, or --dry-run to only see it.")
        self._err.print(f"{_as_it_stands(question)} [bold]\\[y/N][/] ", end="")
        return sys.stdin.readline().strip().lower() in ("y", "yes")


def _console(*, stderr: bool) -> "Console":
    from rich.console import Console  # noqa: PLC0415

    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    # Without emoji: rich takes the `:secret:` of an ARN for one.
    return Console(emoji=False, stderr=stderr, highlight=False, width=None if terminal else _PIPED_WIDTH)


def _as_it_stands(text: str) -> str:
    from rich.markup import escape  # noqa: PLC0415

    return escape(text)
