"""The webhook as NCA sees it: its name, its address, its certificate, no redirect, and a ping that reaches the ledger."""

import json
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

import requests

from reelkeeper.adapters.guard import is_public, resolve
from reelkeeper.adapters.secrets import read_secret
from reelkeeper.cli.place import Place
from reelkeeper.domain.causes import Check
from reelkeeper.domain.job import Job
from reelkeeper.domain.ping import PING

PATH = "/webhooks/nca-toolkit"
_TIMEOUT_S = 15
_SOON_DAYS = 21


class Register(Protocol):
    def get(self, job_id: str) -> Job | None: ...


@dataclass(frozen=True, slots=True)
class Door:
    """The webhook's address: `url` carries the token and is never shown, `shown` is its host."""

    url: str
    parts: SplitResult

    @property
    def shown(self) -> str:
        return f"{self.parts.scheme}://{self.parts.netloc}"

    @property
    def port(self) -> int:
        return self.parts.port or (443 if self.parts.scheme == "https" else 80)


def door(place: Place, base_url: str | None) -> Door:
    """The address as the engine has it; a base without a token gets the one from its secret."""
    base = (base_url or place.output("ApiAddress")).rstrip("/")
    if not urlsplit(base).path:
        token = read_secret(place.client("secretsmanager"), place.output("WebhookTokenSecretArn")).get("token", "")
        base = f"{base}/{token}"
    return Door(base + PATH, urlsplit(base))


def check_door(at: Door, *, local: bool) -> Iterator[Check]:
    """What stands between NCA and the function; `local` is the local stack, which is private on purpose."""
    host = at.parts.hostname or ""
    try:
        addresses = sorted(set(resolve(host, at.port)))
    except OSError as error:
        yield Check("webhook's name", "fail", f"{host} has no address: {error}", "check the DNS entry of your own domain")
        return
    private = [one for one in addresses if not is_public(one)]
    if private and not local:
        yield Check("webhook's address", "fail", f"{host} leads to {', '.join(private)}, which is private", "NCA must reach it")
    else:
        kind = "this machine, as the local stack's should" if private else "public"
        yield Check("webhook's address", "good", f"{host} leads to {', '.join(addresses)}: {kind}")
    if at.parts.scheme == "https":
        yield _certificate(host, at.port)
    elif local:
        yield Check("webhook's TLS", "good", "none, on the local stack")
    else:
        yield Check("webhook's TLS", "fail", "the address is plain http: the token can be read on the way", "use https")


def _certificate(host: str, port: int) -> Check:
    name = "webhook's TLS"
    try:
        with (
            socket.create_connection((host, port), timeout=_TIMEOUT_S) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secure,
        ):
            ends = str((secure.getpeercert() or {})["notAfter"])
    except ssl.SSLError as error:
        return Check(name, "fail", f"the certificate is not valid: {error}", "renew it; NCA refuses it as well")
    except OSError as error:
        return Check(name, "fail", f"{host}:{port} does not take connections: {error}", "check firewall and address")
    left = int((ssl.cert_time_to_seconds(ends) - time.time()) // 86_400)
    if left < _SOON_DAYS:
        return Check(name, "warn", f"valid, but for {left} days only", "see that it renews itself")
    return Check(name, "good", f"valid for {left} days, with a chain that is trusted")


def check_answer(at: Door) -> Iterator[Check]:
    """A look at it by GET: no redirect, the right token."""
    name = "webhook answers"
    try:
        answer = requests.get(at.url, timeout=_TIMEOUT_S, allow_redirects=False)
    except requests.RequestException as error:
        yield Check(name, "fail", f"{at.shown} does not answer: {type(error).__name__}", "check the address, and make deploy")
        return
    if answer.is_redirect:
        what = f"{at.shown} redirects: NCA would follow with a GET, without the callback"
        yield Check(name, "fail", what, "give the engine the address it redirects to")
    elif answer.status_code == 401:
        yield Check(name, "fail", "the token in the address is not the webhook's", "copy WEBHOOK_BASE_URL again")
    elif answer.status_code != 200:
        yield Check(name, "fail", f"{at.shown} answers {answer.status_code}", "reelkeeper doctor, checks of webhook; its log")
    else:
        yield Check(name, "good", f"{at.shown} knows its token and redirects nowhere")


def check_ping(at: Door, register: Register, *, wait_s: float, clock: Callable[[], float] = time.monotonic) -> Iterator[Check]:
    """A callback of ours, all the way into the ledger."""
    name = "a ping reaches the ledger"
    job_id = f"ping-{uuid.uuid4()}"
    began = clock()
    body = json.dumps({"job_id": job_id, "code": 200, "message": "success", "response": None})
    try:
        answer = requests.post(
            at.url, params={"operation": PING}, data=body, headers={"content-type": "application/json"}, timeout=_TIMEOUT_S,
            allow_redirects=False,
        )  # fmt: skip
    except requests.RequestException as error:
        yield Check(name, "fail", f"{at.shown} does not answer: {type(error).__name__}", "check the address, and make deploy")
        return
    answered = clock() - began
    if answer.status_code != 202:
        yield Check(name, "fail", f"{at.shown} answers {answer.status_code} to a callback", "look into the webhook's log")
        return
    if seen(job_id, register, ends=clock() + wait_s, clock=clock) is None:
        what = f"202 after {answered * 1000:.0f} ms, but persist did not bring it into the ledger within {wait_s:.0f} s"
        yield Check(name, "fail", what, f"reelkeeper trace {job_id}")
    else:
        yield Check(name, "good", f"202 after {answered * 1000:.0f} ms, in the ledger after {clock() - began:.1f} s")


def seen(job_id: str, register: Register, *, ends: float, clock: Callable[[], float] = time.monotonic) -> Job | None:
    """The job, as soon as the ledger has it; None when that takes too long."""
    while True:
        job = register.get(job_id)
        if job is not None or clock() >= ends:
            return job
        time.sleep(0.5)
