"""Which of two stacks a test runs on: most of their time is spent waiting, so that side by side they take half of it."""

STACKS = ("stack", "patient stack")
# What waits longest: for leases to run out, for Airtable's half a minute.
_PATIENT = frozenset({"test_kills.py", "test_trouble.py"})


def stack_of(file: str) -> str:
    """The stack of a file's tests, by the name of the worker's group."""
    return STACKS[file in _PATIENT]
