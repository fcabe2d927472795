"""Every way to spoil a file of the corpus that was seen or thought of, with the words that are right for it."""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from io import BytesIO
from typing import Any

import av

from local.media import make
from local.media.corpus import SECONDS, SPECIMENS, Specimen, content
from reelkeeper.domain.containers import Kind, kind_of

HTML = b"<!doctype html>\n<html><head><title>Sign in</title></head><body><h1>Sign in</h1> to continue</body></html>"
XML = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>'
JSON = b'{"code": 404, "message": "Job not found"}'


@dataclass(frozen=True, slots=True)
class Damaged:
    """One spoiled file: what was done to it, what it claims to be, and a pattern that the reason must match."""

    how: str
    name: str
    body: bytes
    words: str
    operation: str | None = None
    seconds: float | None = None


def damaged() -> Iterator[Damaged]:
    """All of them."""
    for specimen in SPECIMENS:
        yield from _of(specimen, content(specimen.name))
    yield from _claims()
    yield from _hostile()


def _of(specimen: Specimen, body: bytes) -> Iterator[Damaged]:
    name, size = specimen.name, len(body)
    yield Damaged("an HTML page in its place", name, HTML, r"an HTML page \(“Sign in”\) came instead of a ")
    yield Damaged("an XML message in its place", name, XML, r"AccessDenied: Request has expired")
    yield Damaged("a JSON message in its place", name, JSON, r"a JSON message \(“Job not found”\)")
    yield Damaged("nothing in its place", name, b"", r"is empty")
    yield Damaged("noise in its place", name, zlib.compress(bytes(range(256)) * 99)[2:], r"of no kind of media")
    for share in (0.1, 0.5, 0.9):
        # Seconds as NCA reports them: a cut at a frame's border leaves no other trace in some containers.
        cut = body[: int(size * share) | 1]
        yield Damaged(
            f"cut off after {share:.0%}",
            name,
            cut,
            r"not whole|does not|breaks off|0 seconds|NCA made|no player|neither",
            seconds=SECONDS,
        )
    yield Damaged("cut off one byte before its end", name, body[:-1], r"not whole|does not play to its end")
    if kind_of(body) in (Kind.MP4, Kind.MOV):
        yield from _boxes(specimen, body)
    if specimen.picture is not None and specimen.name.startswith("h264-faststart"):
        yield Damaged(
            "zeros at its end", name, body[: size * 3 // 4] + bytes(size - size * 3 // 4), r"does not play to its end"
        )
        media = body.index(b"mdat") + 4
        yield Damaged("zeros for its media", name, body[:media] + bytes(size - media), r"does not start to play")


def _boxes(specimen: Specimen, body: bytes) -> Iterator[Damaged]:
    ends, place = [], 0
    while place < len(body):
        place += struct.unpack(">I", body[place : place + 4])[0]
        ends.append(place)
    # What follows the last fragment of a fragmented file is a table that players can do without.
    whole = ends[-2:] if specimen.name == "h264-fragmented.mp4" else ends[-1:]
    for end in (end for end in ends if end not in whole):
        code = _last_box(body, end)
        yield Damaged(
            f"cut off after its box '{code}'", specimen.name, body[:end], r"not whole|NCA made|breaks off", seconds=SECONDS
        )


def _last_box(body: bytes, end: int) -> str:
    place = 0
    while (after := place + struct.unpack(">I", body[place : place + 4])[0]) < end:
        place = after
    return body[place + 4 : place + 8].decode("latin-1")


def _claims() -> Iterator[Damaged]:
    """Whole files that are not what they are said to be."""
    film, silent, sound = content("h264-main.mp4"), content("h264-silent.mp4"), content("sound-alone.mp4")
    picture = make.picture()
    yield Damaged("a picture under a video's name", "film.mp4", picture, r"film.mp4 is not a video: its first bytes are a JPEG")
    yield Damaged("a video under a picture's name", "still.jpg", film, r"still.jpg is no picture")
    yield Damaged("a silent video under a sound's name", "voice.mp3", silent, r"there is no sound in it")
    yield Damaged("half a picture", "still.jpg", picture[: len(picture) // 2], r"JPEG file is not whole")
    yield Damaged("no voice", "film.mp4", silent, r"combine should put the voice .* no sound", operation="combine")
    yield Damaged("no music", "film.mp4", silent, r"add_music should put the music", operation="add_music")
    yield Damaged("no picture", "film.mp4", sound, r"concatenate should make a video", operation="concatenate")
    yield Damaged("much too short", "film.mp4", film, r"NCA made 9.0 seconds, but the MP4 file has 2.0", seconds=9.0)
    yield Damaged("a page for subtitles", "film.srt", HTML, r"an HTML page .* came instead of film.srt")
    yield Damaged("a message for subtitles", "film.srt", JSON, r"no line with a time")
    yield Damaged("a store's message for a transcript", "film.txt", XML, r"an XML message")
    yield Damaged("half a transcript", "film.json", b"[{'start': 0.0, 'text': 'Hel", r"breaks off")
    yield Damaged("sound for subtitles", "film.vtt", sound, r"it is not text")


def _hostile() -> Iterator[Damaged]:
    """Made to exhaust whoever opens them."""
    yield Damaged(
        "a picture of 30,000 x 30,000 in 100 bytes", "bomb.png", _png(30_000, 30_000), r"cannot be shown|larger than 8K"
    )
    yield Damaged(
        "a video of 30,000 x 30,000", "bomb.avi", _huge_avi(), r"30000x30000, larger than 8K|no player|does not start"
    )
    yield Damaged("three hundred streams", "bomb.mkv", _many_streams(), r"more than 32 streams|no player can open it")
    yield Damaged("an index of 268 million frames", "bomb.mp4", _endless_index(), r"more memory|no player|does not|processor")
    yield Damaged("a gigabyte packed into a megabyte", "bomb.mkv", _packed_matroska(), r"more memory|does not start|no player")
    yield Damaged("boxes in boxes in boxes", "bomb.mp4", _nested_boxes(), r"not whole|no player|neither")


def _png(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1_000_000))) + chunk(b"IEND", b"")


def _huge_avi() -> bytes:
    """A Motion JPEG whose every frame says it is enormous."""
    small, large = struct.pack(">HH", 96, 160), struct.pack(">HH", 30_000, 30_000)
    body = content("mjpeg.avi").replace(b"\xff\xc0\x00\x11\x08" + small, b"\xff\xc0\x00\x11\x08" + large)
    return body.replace(struct.pack("<II", 160, 96), struct.pack("<II", 30_000, 30_000))


@cache
def _many_streams() -> bytes:
    file = BytesIO()
    with av.open(file, "w", format="matroska") as container:
        streams: list[Any] = [container.add_stream("pcm_s16le", rate=8_000, layout="mono") for _ in range(300)]
        for stream in streams:
            frame = av.AudioFrame(format="s16", layout="mono", samples=80)
            frame.sample_rate, frame.pts, frame.time_base = 8_000, 0, Fraction(1, 8_000)
            container.mux(stream.encode(frame))
    return file.getvalue()


def _endless_index() -> bytes:
    """An MP4 whose table of sizes has a few bytes and says it has 268 million entries of one byte each."""
    body = bytearray(content("h264-silent.mp4"))
    sizes, times = body.index(b"stsz"), body.index(b"stts")
    body[sizes + 8 : sizes + 16] = struct.pack(">II", 1, 0x0FFFFFFF)
    body[times + 12 : times + 16] = struct.pack(">I", 0x0FFFFFFF)
    chunks = body.index(b"stsc")
    body[chunks + 16 : chunks + 20] = struct.pack(">I", 0x0FFFFFFF)
    return bytes(body)


def _nested_boxes() -> bytes:
    inner = b""
    for _ in range(20_000):
        inner = struct.pack(">I", len(inner) + 8) + b"moov" + inner
        if len(inner) > 400_000:
            break
    media = struct.pack(">I", 16) + b"mdat" + bytes(8)
    return struct.pack(">I", 16) + b"ftypisom" + bytes(4) + inner + media


@cache
def _packed_matroska() -> bytes:
    """A Matroska whose one packet, packed with zlib, unfolds to a gigabyte."""

    def element(identity: str, body: bytes) -> bytes:
        return bytes.fromhex(identity) + struct.pack(">Q", len(body) | 1 << 56) + body

    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(1024)) + packer.flush()
    head = element("1A45DFA3", element("4282", b"matroska"))
    settings = element("9F", b"\x01") + element("B5", struct.pack(">d", 8_000.0)) + element("6264", b"\x10")
    packing = element("6D80", element("6240", element("5033", b"\x00") + element("5034", element("4254", b"\x00"))))
    track = element("D7", b"\x01") + element("73C5", b"\x01") + element("83", b"\x02") + element("86", b"A_PCM/INT/LIT")
    tracks = element("1654AE6B", element("AE", track + element("E1", settings) + packing))
    information = element("1549A966", element("4489", struct.pack(">d", 2_000.0)))
    cluster = element("1F43B675", element("E7", b"\x00") + element("A3", b"\x81\x00\x00\x80" + packed))
    return head + element("18538067", information + tracks + cluster)


def matches(words: str, reason: str) -> bool:
    """Whether the reason says what it should."""
    return re.search(words, reason) is not None
