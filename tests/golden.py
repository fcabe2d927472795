"""Golden files: what a command showed is compared with what it showed when somebody last read it and found it good.

`UPDATE_GOLDEN=1 pytest …` writes them anew; read the difference before you keep it.
"""

import os
import re
from difflib import unified_diff
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_RECORD = re.compile(r"\brec[A-Za-z0-9]{14}\b")
# Everything that is another in each run, by something as long, so that columns stay where they are.
_MOVING = (
    (re.compile(r"\d{4}-\d\d-\d\d([ T])\d\d:\d\d:\d\d"), r"2026-01-01\g<1>00:00:00"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(?= to | UTC)"), "2026-01-01 00:00"),
    (re.compile(r"00:00:00\.\d{3}Z"), "00:00:00.000Z"),
    (re.compile(r"-bucket-[0-9a-f]{13}"), "-bucket-" + "0" * 13),
    (re.compile(r"\b\d+ ms\b"), "10 ms"),
    (re.compile(r"\(\d+ rows? on"), "(0 rows on"),
    (re.compile(r"after \d+\.\d s"), "after 1.0 s"),
    (re.compile(r"\b\d+ jobs? in the last"), "1 job in the last"),
    (re.compile(r"127\.0\.0\.1:\d{4,5}"), "127.0.0.1:00000"),
    # The stack is deployed with the Python that is there.
    (re.compile(r"\bpython3\.\d+\b"), "python3.13"),
    (re.compile(r"(inbox|callbacks)/\d{4}/\d\d/\d\d/\d{6}\.\d{6}-[0-9a-f]{24}"), r"\1/2026/01/01/000000.000000-" + "0" * 24),
)


# Ages of what the tests made just now, in a column of their own.
_AGE = re.compile(r"(?<![\w.])\d{1,3} (?:s|min)( {2,})")


def normalised(text: str) -> str:
    """The text with times, ports and generated ids replaced; the same id by the same, in the order in which they come."""
    for moving, still in _MOVING:
        text = moving.sub(still, text)
    text = _AGE.sub(lambda found: "1 min".ljust(len(found[0])), text)
    for pattern, shape in ((_UUID, "{:08d}-aaaa-4aaa-8aaa-aaaaaaaaaaaa"), (_RECORD, "recId{:012d}")):
        for place, found in enumerate(dict.fromkeys(pattern.findall(text)), 1):
            # Ids that tests have chosen end in zeros and are the same in each run.
            if not found.endswith("000000"):
                text = text.replace(found, shape.format(place))
    return text


def compare(name: str, shown: str) -> None:
    """Hold what was shown against the golden file of that name."""
    file = FOLDER / f"{name}.txt"
    text = normalised(shown)
    if os.environ.get("UPDATE_GOLDEN"):
        FOLDER.mkdir(exist_ok=True)
        file.write_text(text)
    assert file.exists(), f"{file.name} is missing: UPDATE_GOLDEN=1 writes it"
    good = file.read_text()
    difference = "\n".join(unified_diff(good.splitlines(), text.splitlines(), "found good", "shown now", lineterm="", n=0))
    assert text == good, f"{file.name}:\n{difference}"
