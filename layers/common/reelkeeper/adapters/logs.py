"""CloudWatch's logs of the functions, searched for a word; the only module that reads them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from reelkeeper.domain.errors import Gone, RetryLater

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient

# A search goes through the log page by page, most of them empty; after these it says so instead of going on.
_PAGES = 20


@dataclass(frozen=True, slots=True)
class Line:
    """One line a function has logged: `fields` is empty where it is no JSON object."""

    at: datetime
    text: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """The lines that were found, oldest first; `whole` says whether the log was searched to its end."""

    lines: tuple[Line, ...]
    whole: bool


class Logs:
    """The log of one function."""

    def __init__(self, client: "CloudWatchLogsClient", group: str) -> None:
        self._client = client
        self._group = group

    def find(self, word: str, *, since: datetime, limit: int) -> Found:
        """Lines that contain a word; raises Gone where the function has never logged, RetryLater."""
        pattern = f'"{_quoted(word)}"'
        lines: list[Line] = []
        token: dict[str, Any] = {}
        for _ in range(_PAGES):
            try:
                page = self._client.filter_log_events(
                    logGroupName=self._group,
                    filterPattern=pattern,
                    startTime=int(since.timestamp() * 1000),
                    limit=limit,
                    **token,
                )
            except (ClientError, BotoCoreError) as error:
                if "ResourceNotFound" in type(error).__name__:
                    raise Gone(f"there is no log {self._group}") from error
                raise RetryLater(f"the log {self._group} cannot be read: {error}") from error
            lines += [_line(event["timestamp"], event["message"]) for event in page["events"]]
            if "nextToken" not in page:
                return Found(tuple(sorted(lines, key=lambda line: line.at))[:limit], whole=len(lines) <= limit)
            if len(lines) >= limit:
                break
            token = {"nextToken": page["nextToken"]}
        return Found(tuple(sorted(lines, key=lambda line: line.at))[:limit], whole=False)


def _line(milliseconds: int, text: str) -> Line:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return Line(at, text.strip(), value if isinstance(value, dict) else {})


def _quoted(word: str) -> str:
    # AWS, "Filter pattern syntax": a term in quotes is looked for as it stands; a quote inside would end it.
    return word.replace("\\", "").replace('"', "")
