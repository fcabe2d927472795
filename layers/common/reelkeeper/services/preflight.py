"""Before rows are told: does the base have what the mapping names? Read once per cold start, where the token may."""

from datetime import datetime, timedelta
from typing import Protocol

from reelkeeper.domain.errors import Refused, RetryLater
from reelkeeper.domain.mapping import Mapping
from reelkeeper.domain.schema import Miss, Schema, misses
from reelkeeper.telemetry import logger

# A function lives for hours; what somebody adds to the base meanwhile is to be used soon.
_READ_AGAIN = timedelta(minutes=15)


class Airtable(Protocol):
    def schema(self) -> Schema: ...


class Preflight:
    """What the base lacks, as last read; a base that lacks nothing is read once."""

    def __init__(self, airtable: Airtable, mapping: Mapping) -> None:
        self._airtable = airtable
        self._mapping = mapping
        self._misses: tuple[Miss, ...] | None = None
        self._read_at: datetime | None = None
        self._told: set[Miss] = set()

    def look(self, at: datetime) -> None:
        """Read the schema if that is due, and say once what is missing; never stands in the way of telling."""
        if self._read_at is not None and (self._misses == () or at - self._read_at < _READ_AGAIN):
            return
        try:
            self._misses = misses(self._mapping, self._airtable.schema())
        except RetryLater:
            # The next batch tries again.
            return
        except Refused as error:
            if self._read_at is None:
                logger.info("schema not read: names are tried as they are", reason=error.reason)
            # A token without the scope stays so until the secret is changed, which a cold start reads.
            self._misses = ()
        self._read_at = at
        for miss in self._misses:
            if miss not in self._told:
                log = logger.error if miss.hurts else logger.warning
                log("the base lacks something", where=miss.where, what=miss.what, remedy=miss.remedy)
                self._told.add(miss)
