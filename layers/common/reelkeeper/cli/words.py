"""Times, ages and sizes as people write and read them."""

import re
from datetime import UTC, datetime, timedelta

from reelkeeper.cli.faults import Unusable
from reelkeeper.domain.moment import parse_moment

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def read_since(text: str, now: datetime) -> datetime:
    """`30m`, `2h`, `7d`, `2w`, a date or a time; raises Unusable with an example for anything else."""
    found = re.fullmatch(r"(\d{1,6})\s*([smhdw])", text.strip())
    if found:
        return now - timedelta(seconds=int(found[1]) * _UNITS[found[2]])
    try:
        whole = text.strip() if "T" in text or " " in text.strip() else f"{text.strip()}T00:00:00"
        return parse_moment(whole if re.search(r"(Z|[+-]\d\d:?\d\d)$", whole) else f"{whole}Z")
    except ValueError:
        raise Unusable(f"{text!r} is no time: write 30m, 2h, 7d, 2026-11-24 or 2026-11-24T18:00") from None


def age(since: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that still says something."""
    seconds = max((now - since).total_seconds(), 0)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def show_time(at: datetime | None) -> str:
    """To the second, in UTC, as the functions' logs have it."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if at else "-"


def show_bytes(size: int) -> str:
    """In the largest decimal unit of which there is more than one."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def plural(count: int, one: str, many: str = "") -> str:
    """`1 job`, `2 jobs`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
