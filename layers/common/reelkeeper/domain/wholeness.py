"""Is a file whole? Each container says somewhere how long it is; these read that place, and no more.

Bytes come through a `Read`, which a test answers from memory and the gate from the bucket.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from reelkeeper.domain.containers import Kind, id3_length, packet_length

# start, length → the bytes there, fewer at the end of the file.
Read = Callable[[int, int], bytes]

# A fragmented file has thousands of boxes; the first ones say what it is, and each costs a read.
_BOXES = 32
_CHUNKS = 64
_TAIL = 70_000  # an Ogg page is at most 65,307 bytes
_MPEG1_KBITS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_KBITS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)


@dataclass(frozen=True, slots=True)
class Shape:
    """What the container's own lengths say: where it `breaks` off, in words (None: whole, or it does not say).

    `index_first` is an MP4's: True when a player finds the index (`moov`) before the media, False when it must look at the end.
    """

    breaks: str | None = None
    index_first: bool | None = None


def shape(kind: Kind, size: int, read: Read) -> Shape:
    """Whether a file of this kind and this many bytes is as long as it says."""
    if kind in (Kind.MP4, Kind.MOV):
        return _boxes(size, read)
    look = _LOOKS.get(kind)
    return Shape(look(size, read) if look else None)


def _boxes(size: int, read: Read) -> Shape:
    seen: dict[str, int] = {}
    last = ""
    for name, start, end in _walk(size, read):
        if name is None:
            if {"moov", "mdat"} <= set(seen):  # what follows is padding, which no player minds
                break
            return Shape(f"after {start:,} bytes comes something that is no part of an MP4")
        if end > size:
            return Shape(f"its part '{name}' should end at byte {end:,}, but the file has only {size:,}")
        seen.setdefault(name, start)
        last = name
    if "moov" not in seen:
        return Shape("its index ('moov') is missing, without which no player finds anything in it")
    if "mdat" not in seen or last == "moof":
        return Shape("it has an index, but the media itself ('mdat') is missing")
    return Shape(index_first=seen["moov"] < seen.get("mdat", size))


def _walk(size: int, read: Read) -> Iterator[tuple[str | None, int, int]]:
    """The outermost boxes: name (None for what is none), start and end."""
    start = 0
    for _ in range(_BOXES):
        if start >= size:
            return
        head = read(start, 16)
        if len(head) < 8:
            yield None, start, size
            return
        length, code = struct.unpack(">I4s", head[:8])
        least = 8
        if length == 1:
            if len(head) < 16:
                yield code.decode("latin-1"), start, size + 1
                return
            length, least = int.from_bytes(head[8:16], "big"), 16
        elif length == 0:
            length = size - start
        if length < least or not all(0x20 <= byte < 0x7F or byte == 0xA9 for byte in code):
            yield None, start, size
            return
        yield code.decode("latin-1"), start, start + length
        start += length


def _riff(size: int, read: Read) -> str | None:
    start, order = 0, ">" if read(0, 4) == b"FORM" else "<"
    for _ in range(_CHUNKS):
        head = read(start, 8)
        if len(head) < 8 or head[:4] not in (b"RIFF", b"FORM"):
            return None
        (length,) = struct.unpack(f"{order}I", head[4:])
        if length in (0, 0xFFFFFFFF):  # written to a pipe: it does not know its length
            return None
        end = start + 8 + length
        if end > size:
            return _short(end, size)
        start = end + length % 2
    return None


def _ebml(size: int, read: Read) -> str | None:
    head = read(0, 512)
    place, (length, width) = 4, _vint(head, 4)
    if length is None:
        return None
    place += width + length
    if head[place : place + 4] != b"\x18\x53\x80\x67":
        return "its head is followed by something that is no Matroska segment"
    length, width = _vint(head, place + 4)
    if length is None:  # live: it does not know its length
        return None
    end = place + 4 + width + length
    return _short(end, size) if end > size else None


def _vint(data: bytes, place: int) -> tuple[int | None, int]:
    """EBML's number of variable length, None for "unknown", and its width in bytes."""
    if place >= len(data) or data[place] == 0:
        return None, 1
    width = 9 - data[place].bit_length()
    value = int.from_bytes(data[place : place + width], "big") & ((1 << 7 * width) - 1)
    return (None if value == (1 << 7 * width) - 1 else value), width


def _ogg(size: int, read: Read) -> str | None:
    start = max(0, size - _TAIL)
    tail = read(start, size - start)
    place = len(tail)
    while (place := tail.rfind(b"OggS", 0, place)) >= 0:
        page = tail[place:]
        if len(page) < 27 or page[4] != 0 or len(page) < 27 + page[26]:
            continue
        end = place + 27 + page[26] + sum(page[27 : 27 + page[26]])
        if end > len(tail):
            return _short(start + end, size)
        return None if page[5] & 4 else "its last page is not marked as the last"
    return "its last page is missing"


def _packets(size: int, read: Read) -> str | None:
    length = packet_length(read(0, 1024))
    rest = size % length if length else 0
    return f"its last packet has only {rest} of {length} bytes" if rest else None


def _flv(size: int, read: Read) -> str | None:
    """Each tag is followed by its own length, so that the last four bytes lead to the head of the last tag."""
    (back,) = struct.unpack(">I", read(size - 4, 4)) if size >= 17 else (0,)
    if 11 <= back <= size - 13:
        head = read(size - 4 - back, 11)
        if head[0] & 0x1F in (8, 9, 18) and int.from_bytes(head[1:4], "big") == back - 11:
            return None
    return "its last part is not whole"


def _mp3(size: int, read: Read) -> str | None:
    """The first frame of most MP3s holds no sound but the length of the rest ("Xing", "Info")."""
    start = id3_length(read(0, 10))
    if start >= size:
        return _short(start, size)
    frame = read(start, 256)
    place = next((found for mark in (b"Xing", b"Info") if 0 < (found := frame.find(mark)) <= 40), None)
    if place is None or len(frame) < place + 16 or not frame[place + 7] & 2:
        return _chained(size, read, _mp3_frame)
    (flags,) = struct.unpack(">I", frame[place + 4 : place + 8])
    after = place + 8 + (4 if flags & 1 else 0)
    (length,) = struct.unpack(">I", frame[after : after + 4])
    return _short(start + length, size) if start + length > size else None


def _adts(size: int, read: Read) -> str | None:
    return _chained(size, read, _adts_frame)


def _chained(size: int, read: Read, frame: Callable[[bytes], int]) -> str | None:
    """Follow the frames through the end of the file, from where three in a row fit; `frame` gives the length of one, or 0."""
    start = max(0, size - _TAIL)
    tail = read(start, size - start)
    for first in range(max(len(tail) - 7, 0)):
        place, count = first, 0
        while place + 4 <= len(tail) and (length := frame(tail[place : place + 7])):
            place, count = place + length, count + 1
        if count >= 3:
            return _short(start + place, size) if place > len(tail) else None
    return None


def _adts_frame(head: bytes) -> int:
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return 0
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return length if length >= 7 else 0


def _mp3_frame(head: bytes) -> int:
    """Of MPEG layer III, version 1, 2 or 2.5 (bits 3: 3, 2, 0): bit rate and sampling rate give the length."""
    version, layer, bit_rate, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    if head[0] != 0xFF or head[1] & 0xE0 != 0xE0 or version == 1 or layer != 1 or bit_rate in (0, 15) or rate == 3:
        return 0
    table = _MPEG1_KBITS if version == 3 else _MPEG2_KBITS
    hertz = (44_100, 48_000, 32_000)[rate] >> {3: 0, 2: 1, 0: 2}[version]
    return (144 if version == 3 else 72) * table[bit_rate] * 1000 // hertz + (head[2] >> 1 & 1)


def _jpeg(size: int, read: Read) -> str | None:
    return None if b"\xff\xd9" in read(max(0, size - 4096), 4096) else "its end is missing"


def _png(size: int, read: Read) -> str | None:
    return None if b"IEND" in read(max(0, size - 64), 64) else "its end is missing"


def _gif(size: int, read: Read) -> str | None:
    return None if read(size - 1, 1) == b"\x3b" else "its end is missing"


def _short(end: int, size: int) -> str:
    return f"it should have {end:,} bytes, but has only {size:,}"


_LOOKS: dict[Kind, Callable[[int, Read], str | None]] = {
    Kind.WAV: _riff,
    Kind.AVI: _riff,
    Kind.AIFF: _riff,
    Kind.WEBP: _riff,
    Kind.MATROSKA: _ebml,
    Kind.WEBM: _ebml,
    Kind.OGG: _ogg,
    Kind.MPEG_TS: _packets,
    Kind.FLV: _flv,
    Kind.MP3: _mp3,
    Kind.AAC: _adts,
    Kind.JPEG: _jpeg,
    Kind.PNG: _png,
    Kind.GIF: _gif,
}
