"""What all tests share."""

_LONGEST_ID = 100


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A name for a long parameter, which pytest would make part of the test's id as it is: some are films."""
    return f"{argname} of {len(val):,}" if isinstance(val, str | bytes) and len(val) > _LONGEST_ID else None
