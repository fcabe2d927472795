"""`make bench-media`: is the gate right about every file of the corpus, and what does looking cost in memory and in bytes?

Memory is what the decoder's process grew by while it had the file, beyond Python and FFmpeg's libraries (VmHWM, as the process
reads it at its end); bytes are those fetched from the store.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.bars import Bar, settle
from local.media import long
from local.media.corpus import SPECIMENS, content
from local.media.damage import Damaged, damaged, matches
from reelkeeper.adapters.probe import Probe
from reelkeeper.domain.media import Claim, Rejected, claim
from reelkeeper.services.media import MIB, inspect

GIB = 1024 * MIB
# So much of a verdict fits into a line.
_SAID = 40


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one file: right or not, in words, seconds, bytes of memory (0: no decoder was needed) and bytes fetched."""

    name: str
    right: bool
    said: str
    seconds: float
    grown: int
    fetched: int
    size: int


def main() -> int:
    # Wide enough for its tables where there is no terminal to ask.
    console = Console(width=None if sys.stdout.isatty() else 132)
    good = [_good(specimen.name, str(specimen.reach)) for specimen in SPECIMENS]
    bad = [_bad(one) for one in damaged()]
    large = list(_large())
    _show_good(console, good)
    _show_bad(console, bad)
    _show_large(console, large)
    for one in (*good, *bad, *large):
        if not one.right:
            console.print(f"wrong: {one.name}: {one.said}", soft_wrap=True)
    everything = [*good, *bad, *large]
    return settle(
        [
            Bar("corpus_files", len(good), 40, "at_least"),
            Bar("right_verdicts_percent", 100 * sum(one.right for one in everything) / len(everything), 100, "at_least"),
            Bar("memory_mib", max(one.grown for one in everything) / MIB, 64),
            Bar("read_of_1_gib_percent", max(100 * one.fetched / one.size for one in large), 1),
        ]
    )


def _measured(name: str, said: Claim, size: int, fetch: Callable[[int, int], bytes]) -> Result:
    # Each with a probe of its own, which remembers what the last look cost.
    probe = Probe()
    fetched = 0

    def counting(start: int, length: int) -> bytes:
        nonlocal fetched
        body = fetch(start, length)
        fetched += len(body)
        return body

    began = time.monotonic()
    try:
        found = inspect(said, size, counting, decoder=probe)
        verdict = str(found.verdict.playing)
    except Rejected as error:
        verdict = f"rejected: {error.reason}"
    seconds = time.monotonic() - began
    grown = probe.cost.grown_bytes if probe.cost else 0
    return Result(name, False, verdict, seconds, grown, fetched, size)


def _of(body: bytes) -> Callable[[int, int], bytes]:
    return lambda start, length: body[start : start + length]


def _good(name: str, reach: str) -> Result:
    body = content(name)
    one = _measured(name, claim(name, seconds=2.0), len(body), _of(body))
    return _judged(one, one.said.startswith(reach))


def _bad(one: Damaged) -> Result:
    said = claim(one.name, operation=one.operation, seconds=one.seconds)
    result = _measured(f"{one.name}, {one.how}", said, len(one.body), _of(one.body))
    return _judged(result, result.said.startswith("rejected: ") and matches(one.words, result.said))


def _large() -> Iterator[Result]:
    """Films of a gigabyte, one at a time on the disk."""
    kinds: list[tuple[str, Callable[[Path], None]]] = [
        ("index-last.mp4", lambda path: long.film(path, "mp4", GIB)),
        ("index-first.mp4", lambda path: long.film(path, "mp4", GIB, {"movflags": "+faststart"})),
        ("film.mkv", lambda path: long.film(path, "matroska", GIB)),
        ("film.ts", lambda path: long.film(path, "mpegts", GIB)),
        ("film.flv", lambda path: long.film(path, "flv", GIB)),
        ("sound.wav", lambda path: long.sound(path, GIB)),
    ]
    for name, make in kinds:
        with tempfile.TemporaryDirectory(prefix="reelkeeper-") as folder:
            path = Path(folder) / name
            make(path)
            whole = _measured(name, claim(name), path.stat().st_size, _reading(path))
            yield _judged(whole, not whole.said.startswith("rejected"))
            with path.open("r+b") as file:
                file.truncate(path.stat().st_size * 9 // 10 | 1)
            cut = _measured(f"{name}, a tenth cut off", claim(name), path.stat().st_size, _reading(path))
            yield _judged(cut, cut.said.startswith("rejected"))


def _reading(path: Path) -> Callable[[int, int], bytes]:
    def read(start: int, length: int) -> bytes:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(length)

    return read


def _judged(one: Result, right: bool) -> Result:
    return Result(one.name, right, one.said, one.seconds, one.grown, one.fetched, one.size)


def _show_good(console: Console, results: list[Result]) -> None:
    table = Table(title=f"{len(results)} good files")
    for column in ("file", "verdict", "memory", "seconds"):
        table.add_column(column, justify="right" if column in ("memory", "seconds") else "left")
    for one in results:
        mark = "" if one.right else "[red]wrong:[/] "
        table.add_row(one.name, f"{mark}{one.said}", f"{one.grown / MIB:.1f} MiB", f"{one.seconds:.2f}")
    console.print(table)


def _show_bad(console: Console, results: list[Result]) -> None:
    table = Table(title=f"{len(results)} spoiled files")
    for column in ("spoiled how", "files", "right", "most memory", "slowest"):
        table.add_column(column, justify="left" if column == "spoiled how" else "right")
    ways: dict[str, list[Result]] = {}
    for one in results:
        ways.setdefault(one.name.partition(", ")[2], []).append(one)
    for how, ones in ways.items():
        right = sum(one.right for one in ones)
        most, slowest = max(one.grown for one in ones) / MIB, max(one.seconds for one in ones)
        table.add_row(how, str(len(ones)), str(right), f"{most:.1f} MiB", f"{slowest:.2f} s")
    console.print(table)


def _show_large(console: Console, results: list[Result]) -> None:
    table = Table(title="Films of 1 GiB")
    for column in ("file", "said", "read", "of the file", "memory", "seconds"):
        table.add_column(column, justify="left" if column in ("file", "said") else "right")
    for one in results:
        share = f"{100 * one.fetched / one.size:.2f} %"
        said = one.said if len(one.said) <= _SAID else f"{one.said[: _SAID - 1]}…"
        table.add_row(one.name, said, f"{one.fetched / MIB:.2f} MiB", share, f"{one.grown / MIB:.1f} MiB", f"{one.seconds:.2f}")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
