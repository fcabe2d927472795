"""What doctor says of a webhook and of NCA in every condition they can be in."""

import contextlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from local.nca import Fault, Nca, serve
from reelkeeper.adapters import nca as adapter
from reelkeeper.cli.checkup.nca import check_nca, check_round_trip
from reelkeeper.cli.checkup.webhook import Door, check_answer, check_door, check_ping
from reelkeeper.domain.callback import parse
from reelkeeper.domain.causes import Check
from reelkeeper.domain.job import Job
from reelkeeper.domain.ping import answered
from reelkeeper.domain.receiving import job_key, receive


class Webhook:
    """A webhook that answers with `status`, and whose ledger is a dictionary; it is the register as well."""

    def __init__(self, server: ThreadingHTTPServer, scheme: str) -> None:
        base = f"{scheme}://localhost:{server.server_port}/token"
        self.door = Door(f"{base}/webhooks/nca-toolkit", urlsplit(base))
        self.jobs: dict[str, Job] = {}
        self.status = 202
        self.persists = True

    def get(self, job_id: str) -> Job | None:
        return self.jobs.get(job_id)


@contextlib.contextmanager
def listening(certificate: Path | None = None) -> Iterator[Webhook]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200 if here.status == 202 else here.status)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            callback = parse(body, query)
            key, at = job_key(callback, body), datetime.now(UTC)
            if here.persists and here.status == 202:
                here.jobs[key] = answered(receive(None, callback, key=key, origin="webhook", at=at), at=at)
            self._answer(here.status)

        def _answer(self, status: int) -> None:
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "https://elsewhere.example.com/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        here = Webhook(server, "https" if certificate else "http")
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield here
        server.shutdown()


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with listening() as found:
        yield found


@pytest.fixture
def nca() -> Iterator[Nca]:
    with serve() as found:
        yield found


def client(nca: Nca, key: str | None = None) -> adapter.Nca:
    return adapter.Nca(nca.address, key or nca.api_key)


def a_certificate(folder: Path, *, days: int) -> Path:
    """A certificate for localhost that signed itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{days}.pem"
    pem, plain = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL
    file.write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, plain, serialization.NoEncryption()))
    return file


def verdicts(checks: Iterator[Check]) -> dict[str, str]:
    return {check.name: check.verdict for check in checks}


def only(checks: Iterator[Check]) -> Check:
    (check,) = checks
    return check


def test_a_webhook_that_works_passes(hook: Webhook) -> None:
    assert only(check_answer(hook.door)).verdict == "good"
    assert only(check_ping(hook.door, hook, wait_s=10)).verdict == "good"


@dataclass(frozen=True)
class Ill:
    status: int
    says: str


@pytest.mark.parametrize("ill", [Ill(302, "GET"), Ill(307, "redirects"), Ill(401, "token"), Ill(503, "503")])
def test_a_webhook_that_answers_otherwise_is_said_to_in_words(hook: Webhook, ill: Ill) -> None:
    hook.status = ill.status
    check = only(check_answer(hook.door))
    assert (check.verdict, ill.says in check.what) == ("fail", True)
    assert check.remedy
    assert only(check_ping(hook.door, hook, wait_s=1)).verdict == "fail"


def test_a_ping_that_persist_does_not_take_up_is_traced(hook: Webhook) -> None:
    hook.persists = False
    check = only(check_ping(hook.door, hook, wait_s=0.1))
    assert check.verdict == "fail"
    assert check.remedy.startswith("reelkeeper trace ping-")


def test_a_private_address_is_wrong_except_on_the_local_stack(hook: Webhook) -> None:
    assert verdicts(check_door(hook.door, local=True)) == {"webhook's address": "good", "webhook's TLS": "good"}
    assert verdicts(check_door(hook.door, local=False)) == {"webhook's address": "fail", "webhook's TLS": "fail"}


def test_a_name_nobody_knows_is_named() -> None:
    check = only(check_door(Door("", urlsplit("https://nowhere.invalid/token")), local=False))
    assert (check.name, check.verdict) == ("webhook's name", "fail")


@pytest.mark.parametrize(("days", "trusted", "verdict"), [(100, True, "good"), (9, True, "warn"), (100, False, "fail")])
def test_the_certificate_is_judged_by_its_chain_and_its_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, trusted: bool, verdict: str
) -> None:
    certificate = a_certificate(tmp_path, days=days)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate if trusted else tmp_path / "none.pem"))
    with listening(certificate) as hook:
        found = {check.name: check for check in check_door(hook.door, local=True)}
    check = found["webhook's TLS"]
    assert check.verdict == verdict
    assert not trusted or str(days) in check.what


def test_nca_is_asked_for_its_build_and_both_routes(nca: Nca) -> None:
    found = list(check_nca(client(nca)))
    assert [check.verdict for check in found] == ["good", "good"]
    assert "build 209" in found[0].what


def test_a_wrong_key_and_an_nca_that_is_away_are_told_apart(nca: Nca) -> None:
    wrong = only(check_nca(client(nca, "wrong")))
    away = only(check_nca(adapter.Nca("http://127.0.0.1:9", "key")))
    assert (wrong.verdict, "nca_api_key" in wrong.remedy) == ("fail", True)
    assert (away.verdict, "NcaUrl" in away.remedy) == ("fail", True)
    assert only(check_nca(None)).verdict == "warn"


def test_the_round_trip_is_good_once_the_callback_of_the_job_is_in_the_ledger(nca: Nca, hook: Webhook) -> None:
    check = only(check_round_trip(client(nca), hook.door, hook, wait_s=60))
    assert check.verdict == "good", check.what
    (job,) = hook.jobs.values()
    assert (job.state, job.outputs, job.done) == ("kept", (), True)


def test_a_job_that_is_done_without_a_callback_proves_that_nca_does_not_reach_us(nca: Nca, hook: Webhook) -> None:
    nca.switches.on(Fault.NO_CALLBACK, times=1)
    check = only(check_round_trip(client(nca), hook.door, hook, wait_s=5))
    assert (check.verdict, "does not reach" in check.what) == ("fail", True)
    assert "token" not in check.what + check.remedy


def test_a_busy_nca_proves_nothing(nca: Nca, hook: Webhook) -> None:
    nca.switches.on(Fault.SLOW, seconds=30, times=1)
    check = only(check_round_trip(client(nca), hook.door, hook, wait_s=1))
    assert (check.verdict, "busy" in check.what) == ("warn", True)
