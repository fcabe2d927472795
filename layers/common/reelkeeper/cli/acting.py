"""What every command that changes something shares: the preview is printed, then a person decides."""

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
