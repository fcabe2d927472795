"""The callback: exactly one POST, without a timeout, from the thread that runs ffmpeg; whatever comes of it is forgotten."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from local.nca.switches import Fault, Switchboard


@dataclass(frozen=True, slots=True)
class Sent:
    """One attempt: where to, what, and the answer's status (None: there was no answer, or nothing was sent)."""

    url: str
    body: Mapping[str, Any]
    status: int | None


class Callbacks:
    """Sends callbacks and keeps what was sent, for whoever looks into the stand-in."""

    def __init__(self, switches: Switchboard) -> None:
        self._switches = switches
        self._late: list[threading.Timer] = []
        self.sent: list[Sent] = []

    @property
    def idle(self) -> bool:
        """Whether no late callback is still to come."""
        return not any(timer.is_alive() for timer in self._late)

    def send(self, url: str, body: Mapping[str, Any], *, record_id: str | None) -> None:
        """Report once; an address that is none at all raises, and so ends the caller's thread, as in the toolkit."""
        if not url:
            return
        told = dict(body) | ({"id": None} if self._switches.draw(Fault.NULL_ID, record_id) else {})
        if self._switches.draw(Fault.NO_CALLBACK, record_id):
            self.sent.append(Sent(url, told, None))
            return
        late = self._switches.draw(Fault.LATE_CALLBACK, record_id)
        if late:
            timer = threading.Timer(late.seconds, self._post, (url, told))
            timer.daemon = True
            self._late.append(timer)
            timer.start()
            return
        for _ in range(2 if self._switches.draw(Fault.TWICE, record_id) else 1):
            self._post(url, told)
        if told["code"] != 200 and self._switches.draw(Fault.CLOUD_RUN, record_id):
            wrapped = {"code": told["code"], "id": told["id"], "message": f"Job failed with status {told['code']}"}
            self._post(url, {**wrapped, "error": dict(sorted(told.items()))})

    def _post(self, url: str, body: Mapping[str, Any]) -> None:
        status = None
        try:
            status = requests.post(url, json=body).status_code
        except requests.RequestException:
            # The toolkit logs it and forgets it.
            status = None
        self.sent.append(Sent(url, body, status))

    def cancel(self) -> None:
        """Forget the late callbacks."""
        for timer in self._late:
            timer.cancel()
