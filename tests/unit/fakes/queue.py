"""The queue with its hiding times, the inbox, and the topic people listen to."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reelkeeper.adapters.inbox import Inbox, Waiting
from reelkeeper.adapters.queue import Letter, Queue
from reelkeeper.adapters.topic import Topic
from reelkeeper.domain.errors import Gone, RetryLater
from reelkeeper.domain.message import INBOX_PREFIX, Message, encode, message_key
from reelkeeper.services.batch import Delivery

# The template's, for a message whose worker says nothing about it.
VISIBILITY = timedelta(seconds=5_400)


@dataclass(slots=True)
class _Waiting:
    """A message on the queue: when it is to be seen again, and how often it was seen."""

    text: str
    visible_at: datetime
    receives: int = 0


class FakeQueue(Queue):
    """SQS in virtual time; `hidden` is every wish for a delay, `buried` the dead letters with their reasons."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.waiting: dict[str, _Waiting] = {}
        self.hidden: list[tuple[str, timedelta]] = []
        self.buried: list[tuple[str, str]] = []
        self.letters: dict[str, Letter] = {}
        self.down: RetryLater | None = None
        self._sent = 0

    def send(self, text: str, *, delay: timedelta = timedelta(), trace: str | None = None) -> str:
        self._answer()
        self._sent += 1
        message_id = f"message-{self._sent}"
        self.waiting[message_id] = _Waiting(text, self._clock() + delay)
        return message_id

    def send_all(self, texts: Sequence[str]) -> tuple[int, ...]:
        if self.down is not None:
            return tuple(range(len(texts)))
        for text in texts:
            self.send(text)
        return ()

    def bury(self, text: str, *, reason: str) -> None:
        self._answer()
        self.buried.append((text, reason))
        self._sent += 1
        letter = Letter(f"letter-{self._sent}", f"letter-{self._sent}", text, self._clock(), reason)
        self.letters[letter.message_id] = letter

    def take(self, *, limit: int, hidden: timedelta) -> Iterator[Letter]:
        self._answer()
        yield from list(self.letters.values())[:limit]

    def put_back(self, letters: Iterable[Letter]) -> None:
        self._answer()

    def hide(self, receipt: str, *, delay: timedelta) -> None:
        self._answer()
        self.hidden.append((receipt, delay))
        if receipt in self.waiting:
            self.waiting[receipt].visible_at = self._clock() + delay

    def receive(self, most: int = 10) -> list[Delivery]:
        """Up to ten of the messages that may be seen, as the event source delivers them."""
        seen = [(name, one) for name, one in self.waiting.items() if one.visible_at <= self._clock()][:most]
        for _, one in seen:
            one.receives += 1
            one.visible_at = self._clock() + VISIBILITY
        return [Delivery(name, name, one.text, one.receives) for name, one in seen]

    def delete(self, receipt: str) -> None:
        self.waiting.pop(receipt, None)

    def discard(self, letter: Letter) -> None:
        self._answer()
        del self.letters[letter.message_id]

    def _answer(self) -> None:
        if self.down is not None:
            raise self.down


class FakeInbox(Inbox):
    """Messages by key."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.messages: dict[str, Message] = {}
        self.since: dict[str, datetime] = {}
        self.down: RetryLater | None = None

    def put(self, message: Message, prefix: str = INBOX_PREFIX) -> str:
        self._answer()
        key = message_key(message, prefix)
        self.messages[key] = message
        self.since[key] = self._clock()
        return key

    def get(self, key: str) -> Message:
        self._answer()
        if key not in self.messages:
            raise Gone(f"nothing lies in the inbox under {key}")
        return self.messages[key]

    def waiting(self) -> Iterator[Waiting]:
        self._answer()
        for key in sorted(self.messages):
            if key.startswith(INBOX_PREFIX):
                yield Waiting(key, len(encode(self.messages[key])), self.since[key])

    def delete(self, key: str) -> None:
        self._answer()
        self.messages.pop(key, None)

    def _answer(self) -> None:
        if self.down is not None:
            raise self.down


class FakeTopic(Topic):
    """What people are told, in order."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self.down: RetryLater | None = None

    def say(self, subject: str, text: str) -> None:
        if self.down is not None:
            raise self.down
        self.said.append((subject, text))
