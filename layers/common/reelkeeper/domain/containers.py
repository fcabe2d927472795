"""What a file is by its first bytes, whatever its name says: a container, a picture, or what came in its place."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

# Enough for every mark below: MPEG-TS repeats its own every 188 bytes, and an error page says what it is in its first lines.
HEAD_BYTES = 4096


class Kind(StrEnum):
    """What bytes are; for a person, the word for it."""

    MP4 = "MP4"
    MOV = "QuickTime"
    MATROSKA = "Matroska"
    WEBM = "WebM"
    AVI = "AVI"
    FLV = "Flash Video"
    MPEG_TS = "MPEG-TS"
    MPEG_PS = "MPEG-PS"
    ASF = "Windows Media"
    OGG = "Ogg"
    MP3 = "MP3"
    AAC = "AAC (ADTS)"
    FLAC = "FLAC"
    WAV = "WAV"
    AIFF = "AIFF"
    JPEG = "JPEG"
    PNG = "PNG"
    GIF = "GIF"
    WEBP = "WebP"
    BMP = "BMP"
    PAGE = "HTML"
    XML = "XML"
    JSON = "JSON"
    TEXT = "text"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Form:
    """How a kind is opened and served: FFmpeg's demuxer (given, never guessed), the types with and without a picture."""

    demuxer: str
    video_type: str
    audio_type: str
    extension: str


FORMS: Mapping[Kind, Form] = MappingProxyType(
    {
        Kind.MP4: Form("mov", "video/mp4", "audio/mp4", "mp4"),
        Kind.MOV: Form("mov", "video/quicktime", "audio/mp4", "mov"),
        Kind.MATROSKA: Form("matroska", "video/x-matroska", "audio/x-matroska", "mkv"),
        Kind.WEBM: Form("matroska", "video/webm", "audio/webm", "webm"),
        Kind.AVI: Form("avi", "video/x-msvideo", "video/x-msvideo", "avi"),
        Kind.FLV: Form("flv", "video/x-flv", "video/x-flv", "flv"),
        Kind.MPEG_TS: Form("mpegts", "video/mp2t", "video/mp2t", "ts"),
        Kind.MPEG_PS: Form("mpeg", "video/mpeg", "video/mpeg", "mpg"),
        Kind.ASF: Form("asf", "video/x-ms-wmv", "audio/x-ms-wma", "wmv"),
        Kind.OGG: Form("ogg", "video/ogg", "audio/ogg", "ogg"),
        Kind.MP3: Form("mp3", "audio/mpeg", "audio/mpeg", "mp3"),
        Kind.AAC: Form("aac", "audio/aac", "audio/aac", "aac"),
        Kind.FLAC: Form("flac", "audio/flac", "audio/flac", "flac"),
        Kind.WAV: Form("wav", "audio/wav", "audio/wav", "wav"),
        Kind.AIFF: Form("aiff", "audio/x-aiff", "audio/x-aiff", "aiff"),
    }
)
PICTURES: Mapping[Kind, Form] = MappingProxyType(
    {
        Kind.JPEG: Form("jpeg_pipe", "image/jpeg", "image/jpeg", "jpg"),
        Kind.PNG: Form("png_pipe", "image/png", "image/png", "png"),
        Kind.GIF: Form("gif", "image/gif", "image/gif", "gif"),
        Kind.WEBP: Form("webp_pipe", "image/webp", "image/webp", "webp"),
        Kind.BMP: Form("bmp_pipe", "image/bmp", "image/bmp", "bmp"),
    }
)

_MARKS: tuple[tuple[bytes, Kind], ...] = (
    (b"FLV", Kind.FLV),
    (b"OggS", Kind.OGG),
    (b"fLaC", Kind.FLAC),
    (b"\xff\xd8\xff", Kind.JPEG),
    (b"\x89PNG\r\n\x1a\n", Kind.PNG),
    (b"GIF8", Kind.GIF),
    (b"BM", Kind.BMP),
    (b"\x00\x00\x01\xba", Kind.MPEG_PS),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Kind.ASF),
)
# RIFF and IFF name what they carry eight bytes in.
_FORM_TYPES = {
    (b"RIFF", b"WAVE"): Kind.WAV,
    (b"RIFF", b"AVI "): Kind.AVI,
    (b"RIFF", b"WEBP"): Kind.WEBP,
    (b"FORM", b"AIFF"): Kind.AIFF,
    (b"FORM", b"AIFC"): Kind.AIFF,
}
# What an MP4 may begin with; the brand `qt  ` makes it QuickTime.
_FIRST_BOXES = frozenset({b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide"})
_PAGE = re.compile(rb"\A(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|title|h1)\b", re.IGNORECASE | re.DOTALL)


def kind_of(head: bytes) -> Kind:
    """What the first bytes (up to `HEAD_BYTES`) say; UNKNOWN for bytes of no kind known here."""
    looks = (_marked, _form_type, _boxes, _ebml, _packets, _frames)
    return next((kind for look in looks if (kind := look(head)) is not None), None) or _written(head)


def _boxes(head: bytes) -> Kind | None:
    if head[4:8] not in _FIRST_BOXES or head[:4] == bytes(4):
        return None
    return Kind.MOV if head[4:8] != b"ftyp" or head[8:12] == b"qt  " else Kind.MP4


def _ebml(head: bytes) -> Kind | None:
    if head[:4] != b"\x1a\x45\xdf\xa3":
        return None
    return Kind.WEBM if b"\x42\x82\x84webm" in head[:80] else Kind.MATROSKA


def _frames(head: bytes) -> Kind | None:
    """An MP3's or ADTS's frame begins with eleven ones; ADTS has layer 0, which no MP3 has."""
    if len(head) < 2 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    return Kind.AAC if head[1] & 0x06 == 0 else Kind.MP3


def _form_type(head: bytes) -> Kind | None:
    return _FORM_TYPES.get((head[:4], head[8:12]))


def _marked(head: bytes) -> Kind | None:
    if head[:3] == b"ID3":
        return _after_id3(head)
    return next((kind for mark, kind in _MARKS if head.startswith(mark)), None)


def _after_id3(head: bytes) -> Kind:
    start = id3_length(head)
    return Kind.FLAC if head[start : start + 4] == b"fLaC" else Kind.MP3


def id3_length(head: bytes) -> int:
    """How many bytes of tags come before an MP3's first frame: four times seven bits, and the tag's own ten bytes."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    return 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])


def packet_length(head: bytes) -> int:
    """The length of an MPEG-TS packet: 188, 192 with a time code before each, 204 with a checksum after; 0 for no such file."""
    for length, first in ((188, 0), (192, 4), (204, 0)):
        places = range(first, min(len(head), 5 * length), length)
        if len(places) > 1 and all(head[place] == 0x47 for place in places):
            return length
    return 0


def _packets(head: bytes) -> Kind | None:
    return Kind.MPEG_TS if packet_length(head) else None


def _written(head: bytes) -> Kind:
    """What is written in characters: a page, a message, or plain text."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text or b"\x00" in head:
        return Kind.UNKNOWN
    if _PAGE.match(text):
        return Kind.PAGE
    if text.startswith((b"<?xml", b"<Error", b"<svg")):
        return Kind.PAGE if b"<html" in text.lower() else Kind.XML
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        # The head may end within a character.
        if error.start < len(head) - 3:
            return Kind.UNKNOWN
    return Kind.JSON if text[:1] in b"{[" else Kind.TEXT
