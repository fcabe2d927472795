"""What the demo shows: acts, checks that are true or not, waiting with a progress bar, and the closing tables."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

T = TypeVar("T")


class Screen:
    """One run's screen; it remembers every check, and the run is good if all were true."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._false: list[str] = []
        self._true = 0

    @property
    def good(self) -> bool:
        return not self._false

    def act(self, title: str, *lines: str) -> None:
        """The heading of what comes next, and why it matters."""
        self.console.print(f"\n[bold]{title}[/]")
        for line in lines:
            self.console.print(f"  [dim]{line}[/]", soft_wrap=True)

    def step(self, text: str) -> None:
        self.console.print(f"  {escape(text)}", soft_wrap=True)

    def check(self, what: str, true: object, *, found: str = "") -> bool:
        """Say whether something is true, with what was found."""
        mark = "[green]✓[/]" if true else "[bold red]✗[/]"
        self.console.print(f"  {mark} {escape(what)}{f'  [dim]{escape(found)}[/]' if found else ''}", soft_wrap=True)
        if true:
            self._true += 1
        else:
            self._false.append(what)
        return bool(true)

    @contextmanager
    def counting(self, what: str, total: int) -> Iterator[Callable[[], None]]:
        """A progress bar for steps of one kind; the yielded function counts one."""
        with self._progress() as progress:
            task = progress.add_task(what, total=total)
            yield lambda: progress.advance(task)

    def wait(self, what: str, look: Callable[[], int], total: int, *, seconds: float = 120) -> bool:
        """Wait until `look` counts `total`, with a bar; False when that takes too long."""
        ends = time.monotonic() + seconds
        with self._progress() as progress:
            task = progress.add_task(what, total=total)
            while (count := look()) < total:
                progress.update(task, completed=count)
                if time.monotonic() > ends:
                    return False
                time.sleep(0.1)
            progress.update(task, completed=total)
        return True

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table whose last columns may wrap, never cut."""
        table = Table(title=title, title_justify="left")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self.console.print()
        self.console.print(table)

    def conclude(self) -> None:
        """The last line: how many checks were true, or which were not."""
        if self.good:
            self.console.print(f"\n[bold green]All {self._true} checks are true.[/]")
            return
        self.console.print(f"\n[bold red]{len(self._false)} of {self._true + len(self._false)} checks are not true:[/]")
        for what in self._false:
            self.console.print(f"  [red]✗[/] {escape(what)}")

    def _progress(self) -> Progress:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        return Progress(TextColumn(" "), *columns, console=self.console)
