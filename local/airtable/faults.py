"""What goes wrong on demand: each fault for so many requests, or for those of one method or table."""

import threading
from dataclasses import dataclass, replace
from enum import StrEnum

from local.airtable.errors import ApiError


class Kind(StrEnum):
    """What happens to the request."""

    # Saved, and the answer says that it was not: why only writes that may be repeated are safe.
    ERROR_AFTER_SAVING = "error-after-saving"
    ERROR = "error"
    # The body is read, then the connection closes without an answer; a client cannot tell these two apart.
    DROP = "drop"
    DROP_AFTER_SAVING = "drop-after-saving"
    BAD_GATEWAY = "bad-gateway"
    # 503, "safe to retry", with `Retry-After` when the fault has one.
    RETRIABLE = "retriable"
    # Saved at once, answered `delay_s` later.
    SLOW = "slow"
    # Saved, and the answer's JSON stops in the middle.
    TRUNCATED = "truncated"
    # 200 with a page of HTML, as a proxy or a captive portal gives: not saved.
    PROXY_PAGE = "proxy-page"


_REFUSALS = {
    Kind.ERROR: (500, "SERVER_ERROR", "Internal server error"),
    Kind.BAD_GATEWAY: (502, "BAD_GATEWAY", "Airtable is restarting; the request is safe to retry"),
    Kind.RETRIABLE: (503, "RETRIABLE_ERROR", "The server could not process the request in time; it is safe to retry"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault and whom it meets; `times` is None until it is cleared, and an empty method or table means any."""

    kind: Kind
    times: int | None = 1
    method: str = ""
    table: str = ""
    delay_s: float = 1.0
    retry_after_s: int | None = None

    def refusal(self) -> ApiError | None:
        """The answer that comes instead of the work, for the kinds that have one."""
        said = _REFUSALS.get(self.kind)
        return ApiError(*said, retry_after_s=self.retry_after_s) if said else None

    def meets(self, method: str, table: str) -> bool:
        """Whether a request of this method, to the table of this name, is one of them."""
        return self.method.upper() in ("", method) and self.table in ("", table)


class Faults:
    """Those waiting for a request, the oldest first; a request meets one at most."""

    def __init__(self) -> None:
        # Airtable is not to be reached at all: every connection is dropped until this is False again.
        self.down = False
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def add(
        self,
        kind: Kind | str,
        *,
        times: int | None = 1,
        method: str = "",
        table: str = "",
        delay_s: float = 1.0,
        retry_after_s: int | None = None,
    ) -> None:
        """Let the next `times` matching requests meet this fault, or all until `clear`; ValueError for an unknown kind."""
        self.put(Fault(Kind(kind), times, method, table, delay_s, retry_after_s))

    def put(self, fault: Fault) -> None:
        """Let this fault wait for its requests."""
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """All is well again."""
        with self._lock:
            self.down = False
            self._waiting.clear()

    def waiting(self) -> list[Fault]:
        """Those that will meet a request still."""
        with self._lock:
            return list(self._waiting)

    def take(self, method: str, table: str) -> Fault | None:
        """The fault this request meets."""
        with self._lock:
            for index, fault in enumerate(self._waiting):
                if not fault.meets(method, table):
                    continue
                if fault.times is not None:
                    left = replace(fault, times=fault.times - 1)
                    self._waiting[index : index + 1] = [left] if left.times else []
                return fault
        return None
