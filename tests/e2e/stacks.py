"""Which of three stacks a test runs on: most of their time is spent waiting, so that side by side they take a third of it."""

STACKS = ("stack", "stack of kills", "stack of faults")
# Leases have to run out, Airtable wants half a minute's peace, NCA comes up again.
_ELSEWHERE = {"test_kills.py": STACKS[1], "test_recovery.py": STACKS[2], "test_trouble.py": STACKS[2]}


def stack_of(file: str) -> str:
    """The stack of a file's tests, by the name of the worker's group."""
    return _ELSEWHERE.get(file, STACKS[0])
