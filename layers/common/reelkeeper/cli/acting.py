"""What every command that changes something shares: the preview is printed, then a person decides."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from reelkeeper.cli.screen import Screen


def decided(screen: Screen, question: str, *, dry_run: bool, yes: bool) -> bool:
    """Whether to do what was just previewed."""
    if dry_run:
        screen.hint("Dry run: nothing was done.")
        return False
    if screen.confirm(question, yes=yes):
        return True
    screen.hint("Nothing was done.")
    return False


def unbroken(work: Callable[[], None]) -> None:
    """Do this to its end although Ctrl-C comes, which is then felt: what SQS has handed out arrives, and is put back."""
    # Signals are the main thread's alone.
    with ThreadPoolExecutor(1) as hand:
        hand.submit(work).result()
