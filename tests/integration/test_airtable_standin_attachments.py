"""The stand-in Airtable: attachments are fetched later, fail silently, and are given out under links that die (point 6)."""

import base64
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from local.airtable import Served, serve

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
FILM = b"\x00\x00\x00\x18ftypmp42" + bytes(1000)
LOGIN = b"<!doctype html><title>Sign in</title>"


@dataclass(frozen=True, slots=True)
class Shop:
    """Where the files come from: `/film.mp4`, `/hops/N/film.mp4` after N redirects, `/login`, `/cut.mp4`, else 404."""

    address: str
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def shop() -> Iterator[Shop]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    shop = Shop(f"http://127.0.0.1:{server.server_port}")

    class Counter(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shop.asked.append(self.path)
            match self.path.strip("/").split("/"):
                case ["hops", count, name] if int(count):
                    self._answer(302, b"", Location=f"/hops/{int(count) - 1}/{name}")
                case [*_, "film.mp4"]:
                    self._answer(200, FILM, **{"Content-Type": "video/mp4; codecs=avc1"})
                case ["login"]:
                    self._answer(200, LOGIN, **{"Content-Type": "text/html"})
                case ["cut.mp4"]:
                    self._answer(200, FILM, **{"Content-Length": str(len(FILM) + 1)})
                case _:
                    self._answer(404, b"")

        def _answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not to the terminal."""

    server.RequestHandlerClass = Counter
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield shop
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def airtable() -> Iterator[Served]:
    with serve(clock=lambda: NOON, rate_limited=False) as served:
        yield served


def write(airtable: Served, segment: str, video: object, path: str = "Segments") -> dict[str, Any]:
    """PATCH the segment's Video; what Airtable answers, which is 200 whatever becomes of the file."""
    url = f"{airtable.address}/v0/{airtable.base_id}/{path}/{segment}"
    headers = {"Authorization": f"Bearer {airtable.token}"}
    answered = requests.patch(url, json={"fields": {"Video": video}}, headers=headers, timeout=5)
    assert answered.status_code == 200
    answer: dict[str, Any] = answered.json()
    return answer


def a_segment(airtable: Served, *urls: str) -> str:
    segment = airtable.base.create("Segments", {"Video": [{"url": url} for url in urls]})
    assert airtable.wait_ingested(5)
    return segment


def videos(airtable: Served, segment: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = airtable.base.get("Segments", segment).get("Video", [])
    return found


def test_right_after_the_write_only_id_url_and_filename_are_there(airtable: Served, shop: Shop) -> None:
    segment = airtable.base.create("Segments", {})
    with airtable.ingest.held():
        [shown] = write(airtable, segment, [{"url": f"{shop.address}/film.mp4"}])["fields"]["Video"]
        assert shown.keys() == {"id", "url", "filename"}
        assert shown["filename"] == "film.mp4"
        assert not airtable.wait_ingested(0)
        assert requests.get(shown["url"], timeout=5).status_code == 404
    assert airtable.wait_ingested(5)
    [shown] = videos(airtable, segment)
    assert (shown["size"], shown["type"]) == (len(FILM), "video/mp4")
    assert requests.get(shown["url"], timeout=5).content == FILM


def test_the_filename_is_the_one_given(airtable: Served, shop: Shop) -> None:
    segment = airtable.base.create("Segments", {"Video": [{"url": f"{shop.address}/film.mp4", "filename": "Ä 1/2.mp4"}]})
    assert airtable.wait_ingested(5)
    [shown] = videos(airtable, segment)
    assert shown["filename"] == "Ä 1/2.mp4"
    assert requests.get(shown["url"], timeout=5).content == FILM


def test_a_part_of_a_file_can_be_asked_for(airtable: Served, shop: Shop) -> None:
    [shown] = videos(airtable, a_segment(airtable, f"{shop.address}/film.mp4"))
    part = requests.get(shown["url"], headers={"Range": "bytes=4-7"}, timeout=5)
    assert (part.status_code, part.content) == (206, b"ftyp")


def test_a_link_dies_two_hours_after_it_was_given_and_reading_gives_a_new_one(airtable: Served, shop: Shop) -> None:
    segment = a_segment(airtable, f"{shop.address}/film.mp4")
    [shown] = videos(airtable, segment)
    airtable.clock.advance(timedelta(hours=2) - timedelta(seconds=1))
    assert requests.get(shown["url"], timeout=5).status_code == 200
    airtable.clock.advance(timedelta(seconds=1))
    assert requests.get(shown["url"], timeout=5).status_code == 410
    assert requests.get(videos(airtable, segment)[0]["url"], timeout=5).content == FILM


def test_three_redirects_are_followed_and_a_fourth_is_not(airtable: Served, shop: Shop) -> None:
    assert len(videos(airtable, a_segment(airtable, f"{shop.address}/hops/3/film.mp4"))) == 1
    assert videos(airtable, a_segment(airtable, f"{shop.address}/hops/4/film.mp4")) == []


def test_a_file_that_is_too_large_is_not_kept(airtable: Served, shop: Shop) -> None:
    assert airtable.ingest.most_bytes == 1_000_000_000
    airtable.ingest.most_bytes = len(FILM)
    assert len(videos(airtable, a_segment(airtable, f"{shop.address}/film.mp4"))) == 1
    airtable.ingest.most_bytes = len(FILM) - 1
    assert videos(airtable, a_segment(airtable, f"{shop.address}/film.mp4")) == []


def test_a_login_page_is_kept_as_the_file(airtable: Served, shop: Shop) -> None:
    [shown] = videos(airtable, a_segment(airtable, f"{shop.address}/login"))
    assert (shown["type"], requests.get(shown["url"], timeout=5).content) == ("text/html", LOGIN)


@pytest.mark.parametrize("path", ["missing.mp4", "cut.mp4"])
def test_a_fetch_that_fails_leaves_the_cell_without_the_file(airtable: Served, shop: Shop, path: str) -> None:
    assert videos(airtable, a_segment(airtable, f"{shop.address}/{path}")) == []


def test_a_host_that_does_not_answer_is_a_failed_fetch(airtable: Served) -> None:
    assert videos(airtable, a_segment(airtable, "http://127.0.0.1:1/film.mp4")) == []


def test_or_the_file_stays_with_a_dead_link(airtable: Served, shop: Shop) -> None:
    airtable.switches.dead_attachments = True
    [shown] = videos(airtable, a_segment(airtable, f"{shop.address}/missing.mp4"))
    assert shown.keys() == {"id", "url", "filename"}
    assert requests.get(shown["url"], timeout=5).status_code == 404


def test_a_failed_fetch_leaves_the_other_files(airtable: Served, shop: Shop) -> None:
    segment = a_segment(airtable, f"{shop.address}/missing.mp4", f"{shop.address}/film.mp4")
    assert [one["filename"] for one in videos(airtable, segment)] == ["film.mp4"]


def test_a_url_that_keeps_failing_is_refused_at_once_and_only_details_say_so(airtable: Served, shop: Shop) -> None:
    segment = a_segment(airtable, *[f"{shop.address}/missing.mp4"] * 3)
    answered = write(airtable, segment, [{"url": f"{shop.address}/missing.mp4"}, {"url": f"{shop.address}/film.mp4"}])
    assert answered["details"] == {"message": "partialSuccess", "reasons": ["attachmentsFailedUploading"]}
    assert [one["filename"] for one in answered["fields"]["Video"]] == ["film.mp4"]
    assert shop.asked.count("/missing.mp4") == 3


def test_too_many_attachments_at_once_are_left_out_with_a_reason(airtable: Served, shop: Shop) -> None:
    airtable.switches.attachment_rate_too_high = True
    answered = write(airtable, airtable.base.create("Segments", {}), [{"url": f"{shop.address}/film.mp4"}])
    assert answered["details"]["reasons"] == ["attachmentUploadRateIsTooHigh"]
    assert "Video" not in answered["fields"]


def test_the_array_replaces_what_was_there_but_for_what_is_kept_by_id(airtable: Served, shop: Shop) -> None:
    segment = a_segment(airtable, f"{shop.address}/film.mp4", f"{shop.address}/login")
    first, _ = videos(airtable, segment)
    # An attachment as it was read may be sent back whole.
    write(airtable, segment, [first, {"url": f"{shop.address}/2/film.mp4"}])
    assert airtable.wait_ingested(5)
    kept, added = videos(airtable, segment)
    assert (kept["id"], kept["size"], added["size"]) == (first["id"], len(FILM), len(FILM))
    assert shop.asked in (["/film.mp4", "/login", "/2/film.mp4"], ["/login", "/film.mp4", "/2/film.mp4"])
    write(airtable, segment, [])
    assert videos(airtable, segment) == []


def test_the_same_url_again_is_a_new_attachment_and_a_new_fetch(airtable: Served, shop: Shop) -> None:
    segment = a_segment(airtable, f"{shop.address}/film.mp4")
    [before] = videos(airtable, segment)
    write(airtable, segment, [{"url": f"{shop.address}/film.mp4"}])
    assert airtable.wait_ingested(5)
    [after] = videos(airtable, segment)
    assert after["id"] != before["id"]
    assert len(shop.asked) == 2


def test_a_write_to_another_field_leaves_the_files_and_fetches_nothing(airtable: Served, shop: Shop) -> None:
    segment = a_segment(airtable, f"{shop.address}/film.mp4")
    before = videos(airtable, segment)
    airtable.base.change("Segments", segment, {"Status": "combined"})
    assert videos(airtable, segment) == before
    assert len(shop.asked) == 1


def test_a_file_that_comes_after_its_record_was_deleted_goes_nowhere(airtable: Served, shop: Shop) -> None:
    with airtable.ingest.held():
        segment = airtable.base.create("Segments", {"Video": [{"url": f"{shop.address}/film.mp4"}]})
        airtable.base.delete("Segments", segment)
    assert airtable.wait_ingested(5)
    assert airtable.base.all("Segments") == {}


def test_a_server_that_stops_does_not_wait_for_what_it_holds(shop: Shop) -> None:
    with serve() as airtable, airtable.ingest.held():
        airtable.base.create("Segments", {"Video": [{"url": f"{shop.address}/film.mp4"}]})
    assert airtable.wait_ingested(5)


def upload(
    airtable: Served, segment: str, *, field: str = "Video", content: bytes = FILM, **changes: object
) -> requests.Response:
    url = f"{airtable.address}/v0/{airtable.base_id}/{segment}/{field}/uploadAttachment"
    body = {"contentType": "video/mp4", "filename": "small.mp4", "file": base64.encodebytes(content).decode(), **changes}
    return requests.post(url, json=body, headers={"Authorization": f"Bearer {airtable.token}"}, timeout=5)


def test_an_upload_appends_and_answers_by_field_id(airtable: Served, shop: Shop) -> None:
    segment = a_segment(airtable, f"{shop.address}/film.mp4")
    table = airtable.base.table("Segments")
    video = table.field("Video") if table else None
    assert video
    answered = upload(airtable, segment).json()
    assert [one["filename"] for one in answered["fields"][video.id]] == ["film.mp4", "small.mp4"]
    assert requests.get(videos(airtable, segment)[1]["url"], timeout=5).content == FILM
    [entry] = airtable.journal.writes("Segments")
    assert entry.path.endswith("/uploadAttachment")


def test_an_upload_of_another_form_is_refused(airtable: Served) -> None:
    segment = a_segment(airtable)
    assert upload(airtable, segment, content=bytes(5_000_001)).status_code == 413
    assert upload(airtable, segment, file="not base64: é").status_code == 422
    assert upload(airtable, segment, filename=None).status_code == 422
    assert upload(airtable, segment, field="Status").status_code == 422
    assert upload(airtable, segment, field="Nope").json()["error"]["type"] == "UNKNOWN_FIELD_NAME"
    assert upload(airtable, "recNobody00000000").status_code == 404
