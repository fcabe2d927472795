"""Which output goes to which Airtable field: the mapping, read from TOML and checked word by word."""

import tomllib
from collections.abc import Mapping as AbstractMapping
from dataclasses import MISSING, dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, TypeVar

T = TypeVar("T")
Attach: TypeAlias = Literal["always", "below_mb", "never"]
_ATTACH = ("always", "below_mb", "never")
# https://airtable.com/developers/web/api/field-model: what the API attaches by URL has 1 GB at most.
LARGEST_ATTACHMENT_MB = 1_000


class MappingError(ValueError):
    """One line: where in the mapping, what is wrong, what to write instead."""


@dataclass(frozen=True, slots=True)
class JobsTable:
    """The table of jobs and its fields; an empty name means the base has no such field.

    `history` is one line a person can read: what became of the job.
    `open` are the statuses of jobs that are still to come; `type` says which operation a row is about, `webhook` where NCA
    was told to call back.
    """

    table: str
    status: str
    external_id: str
    response: str = ""
    error: str = ""
    request: str = ""
    history: str = ""
    completed: str = "completed"
    failed: str = "failed"
    type: str = ""
    webhook: str = ""
    open: tuple[str, ...] = ("pending", "processing")


@dataclass(frozen=True, slots=True)
class Target:
    """Where the output of one operation goes. `link` and `payload` find the row when the callback does not name it.

    `attach` says whether files are attached, too: always, only those below `attach_below_mb` million bytes, or never; what is
    not attached is at the permanent address in `url`. Airtable itself takes none above 1 GB.
    `types` are the words a job's row has for this operation, if not its name. `resubmit` says who hands in a job anew that NCA
    lost: nobody (empty), the "engine", or "nca" itself; `resubmissions` how often at most for one target.
    """

    table: str
    attachment: str
    url: str = ""
    status: str = ""
    success: str = ""
    failure: str = ""
    link: str = ""
    payload: tuple[str, ...] = ()
    attach: Attach = "always"
    attach_below_mb: int = LARGEST_ATTACHMENT_MB
    types: tuple[str, ...] = ()
    resubmit: str = ""
    resubmit_path: str = ""
    resubmit_body: str = '{"record_id": "{target_id}"}'
    resubmissions: int = 2

    def attaches(self, size: int | None) -> bool:
        """Whether a file of so many bytes is attached; one of unknown size is."""
        limit = self.attach_below_mb if self.attach == "below_mb" else LARGEST_ATTACHMENT_MB
        return self.attach != "never" and (size or 0) <= min(limit, LARGEST_ATTACHMENT_MB) * 1_000_000


@dataclass(frozen=True, slots=True)
class Mapping:
    """The whole mapping; operations it does not name are kept and reported on the job's own row only."""

    jobs: JobsTable
    operations: AbstractMapping[str, Target] = field(default_factory=dict)


def read_mapping(text: str) -> Mapping:
    """Read a mapping from TOML; raises MappingError with one line that names the key and the remedy."""
    try:
        whole = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"mapping: not valid TOML: {error}") from None
    _known(whole, {"jobs", "operations"}, "mapping")
    operations = whole.get("operations", {})
    if not isinstance(operations, dict):
        raise MappingError("mapping: operations must be sections such as [operations.combine]")
    targets = {name: _section(Target, value, f"operations.{name}") for name, value in operations.items()}
    for name, target in targets.items():
        if target.resubmit and not target.resubmit_path.startswith("/"):
            raise MappingError(f"mapping: operations.{name}.resubmit_path must be a path such as /v1/ffmpeg/compose")
    return Mapping(jobs=_section(JobsTable, whole.get("jobs", {}), "jobs"), operations=MappingProxyType(targets))


def _section(kind: type[T], value: object, where: str) -> T:
    if not isinstance(value, dict):
        raise MappingError(f"mapping: {where} must be a section, written as [{where}]")
    known = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]
    _known(value, set(known), where)
    for name, one in known.items():
        if one.default is MISSING and not value.get(name):
            raise MappingError(f"mapping: {where}.{name} is missing; write the name of the Airtable {name} there")
    return kind(**{name: _typed(one, known[name].name, f"{where}.{name}") for name, one in value.items()})


def _known(value: AbstractMapping[str, Any], names: set[str], where: str) -> None:
    for name in value:
        if name not in names:
            raise MappingError(f"mapping: {where} has no key {name!r}; it may have {', '.join(sorted(names))}")


def _typed(value: object, name: str, where: str) -> object:
    if name in ("payload", "types", "open"):
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return tuple(value)
        raise MappingError(f'mapping: {where} must be a list of keys, such as ["record_id"]')
    if name == "attach_below_mb":
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST_ATTACHMENT_MB:
            return value
        raise MappingError(f"mapping: {where} must be a whole number from 1 to {LARGEST_ATTACHMENT_MB}, in millions of bytes")
    if name == "attach" and value not in _ATTACH:
        raise MappingError(f"mapping: {where} must be one of {', '.join(f'{one!r}' for one in _ATTACH)}")
    if name == "resubmissions":
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 10:
            return value
        raise MappingError(f"mapping: {where} must be a whole number from 1 to 10")
    if not isinstance(value, str):
        raise MappingError(f"mapping: {where} must be text in quotes")
    if name == "resubmit" and value not in ("", "engine", "nca"):
        raise MappingError(f'mapping: {where} must be "engine", "nca", or empty for nobody')
    return value
