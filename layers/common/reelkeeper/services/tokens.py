"""Whether a caller knows the webhook's token: compared in constant time, two valid while one is rotated."""

import hmac
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from reelkeeper.domain.errors import RetryLater

# A stranger's guesses may make us read the secret again this often, and no oftener.
READ_AGAIN_AFTER = timedelta(seconds=60)


class Tokens:
    """The valid tokens, read once and kept for the life of this process.

    A token that is not known makes it look again, at most once a minute: a rotation then reaches a warm function at once, and
    no callback that carries the new token is turned away.
    """

    def __init__(self, read: Callable[[], Mapping[str, str]], *, clock: Callable[[], datetime]) -> None:
        self._read = read
        self._clock = clock
        self._valid: tuple[bytes, ...] = ()
        self._read_at: datetime | None = None

    def accept(self, candidate: str) -> bool:
        """Whether the candidate is a valid token; raises RetryLater when the secret cannot be read."""
        if self._read_at is None:
            self._refresh()
        if self._matches(candidate):
            return True
        if self._read_at is not None and self._clock() - self._read_at >= READ_AGAIN_AFTER:
            self._refresh()
            return self._matches(candidate)
        return False

    def _refresh(self) -> None:
        secret = self._read()
        valid = tuple(value.encode() for name in ("token", "previous") if (value := secret.get(name, "").strip()))
        if not valid:
            # Nobody's mistake but ours: to call every token wrong would send people looking elsewhere.
            raise RetryLater(
                "the webhook's secret holds no token; put one under the key token, 43 letters and digits as before"
            )
        self._valid = valid
        self._read_at = self._clock()

    def _matches(self, candidate: str) -> bool:
        offered = candidate.encode("utf-8", "replace")
        # No early way out: the time must not tell which of the two it was.
        return sum(hmac.compare_digest(offered, valid) for valid in self._valid) > 0
