"""The engine: asked for one thing, to hand in anew a job that NCA lost."""

from collections.abc import Mapping

import requests

from reelkeeper.domain.errors import Refused, RetryLater

_TIMEOUT_S = (4, 60)


class Engine:
    """One engine by its address."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def ask(self, path: str, body: Mapping[str, object]) -> None:
        """POST a request; raises Refused where the engine says no, RetryLater where it may have begun all the same."""
        try:
            answer = requests.post(f"{self._url}{path}", json=dict(body), timeout=_TIMEOUT_S, allow_redirects=False)
        except requests.RequestException as error:
            raise RetryLater(f"the engine did not answer: {type(error).__name__}") from error
        if answer.status_code >= 500:
            raise RetryLater(f"the engine answers {answer.status_code}")
        if answer.status_code >= 300:
            raise Refused(f"the engine answers {answer.status_code}: {answer.text[:200]}")
