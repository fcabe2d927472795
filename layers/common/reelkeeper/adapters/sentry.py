"""Sentry: where a person's secret names a `sentry_dsn`, every line of level ERROR goes there, too, with nothing secret in it.

sentry-sdk is imported only then: it costs 49 ms of a cold start (measured, 2026-11-23).
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from reelkeeper.domain.callback import redact

if TYPE_CHECKING:
    from sentry_sdk.types import Event

# A run that ends is frozen: what is not sent by then is sent when the function runs again, if ever.
_FLUSH_S = 2.0
# Shorter words are no secrets, and would tear holes into everything.
_SHORTEST_SECRET = 8


def report_faults(dsn: str, *, secrets: Iterable[str], stack: str, keys: Callable[[], Mapping[str, Any]]) -> Callable[[], None]:
    """Report from now on; returns what sends the rest before a run ends.

    `secrets` are blotted out wherever they stand; `keys` gives what the present thread's lines are about, which become tags.
    Raises ValueError for a DSN that is none.
    """
    import sentry_sdk  # noqa: PLC0415
    from sentry_sdk.integrations.logging import LoggingIntegration  # noqa: PLC0415
    from sentry_sdk.utils import BadDsn  # noqa: PLC0415

    words = sorted((word for word in secrets if len(word) >= _SHORTEST_SECRET), key=len, reverse=True)

    def scrubbed(event: "Event", _hint: Mapping[str, Any]) -> "Event":
        tags = {name: value for name, value in keys().items() if isinstance(value, str)}
        return cast("Event", _scrub({**event, "tags": {**event.get("tags", {}), **tags}}, words))

    try:
        sentry_sdk.init(
            dsn=dsn,
            environment=stack,
            # Only what is logged: no arguments, no modules, no environment, no local variables, nothing of a request.
            default_integrations=False,
            integrations=[LoggingIntegration(level=None, event_level=logging.ERROR)],
            include_local_variables=False,
            send_default_pii=False,
            auto_session_tracking=False,
            server_name="",
            before_send=scrubbed,
        )
    except BadDsn as error:
        raise ValueError("sentry_dsn is no DSN; copy it again from the project's settings in Sentry") from error
    return lambda: sentry_sdk.flush(timeout=_FLUSH_S)


def _scrub(value: Any, words: Iterable[str]) -> Any:
    if isinstance(value, str):
        for word in words:
            value = value.replace(word, "…")
        return redact(value)
    if isinstance(value, Mapping):
        return {key: _scrub(one, words) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_scrub(one, words) for one in value]
    return value
