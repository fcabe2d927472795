"""The loop of ten lines: parts wait in a row, each lane takes the next, and an error that patience does not mend ends all."""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from reelkeeper.domain.errors import RetryLater
from reelkeeper.domain.parts import Span

TRIES = 5
_FIRST_PAUSE_S = 0.25
Send = Callable[[Span], None]


def move(
    parts: Iterable[Span], send: Send, *, width: int, failed: Callable[[RetryLater], float], opening: Send | None = None
) -> None:
    """Send every part over `width` lanes, this thread being one; raises the first error that ends the copy.

    `opening` sends the first part, in this thread, in a way of its own. `failed` hears of a part that raised RetryLater, and
    answers how many seconds to wait at least before it is sent again, or raises the error to end it all.
    """
    waiting = deque(parts)
    stop = threading.Event()
    errors: list[Exception] = []

    def lane(span: Span | None = None, how: Send = send) -> None:
        try:
            while not stop.is_set():
                _patiently(span or waiting.popleft(), how, send, failed=failed, stop=stop)
                span, how = None, send
        except IndexError:
            return
        except Exception as error:  # noqa: BLE001 - it is raised again, by the thread that waits for all lanes
            errors.append(error)
            stop.set()

    first = waiting.popleft() if opening and waiting else None
    lanes = ThreadPoolExecutor(width, thread_name_prefix="lane")
    try:
        for _ in range(min(width - 1, len(waiting))):
            lanes.submit(lane)
        lane(first, opening or send)
    except BaseException:
        # Ctrl-C, which only this thread hears of: the others take no further part, and nobody waits for those they have.
        stop.set()
        lanes.shutdown(wait=False, cancel_futures=True)
        raise
    lanes.shutdown()
    if errors:
        raise errors[0]


def _patiently(span: Span, how: Send, again: Send, *, failed: Callable[[RetryLater], float], stop: threading.Event) -> None:
    for tries in range(TRIES):
        try:
            return how(span)
        except RetryLater as error:
            if tries == TRIES - 1 or stop.is_set():
                raise
            stop.wait(max(failed(error), _FIRST_PAUSE_S * 2**tries))
            how = again
    return None
