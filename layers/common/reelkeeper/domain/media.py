"""Is a file what it claims to be, and will a browser play it? The claims, what was seen of the file, and the verdict.

Nothing is opened here: `Look` is what the decoder saw, `Shape` what the container says of its own length.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from reelkeeper.domain.containers import FORMS, PICTURES, Kind
from reelkeeper.domain.naming import content_type
from reelkeeper.domain.playing import Playing, playing
from reelkeeper.domain.streams import Stream
from reelkeeper.domain.texts import fault_of, said_in
from reelkeeper.domain.wholeness import Shape

# A last frame may be shown longer than its packet says, and one stream may end before another.
_SECONDS_SHORT, _SHARE_SHORT = 1.0, 0.03
# NCA reports what ffprobe found in the same container, so that the two differ by rounding alone.
_SECONDS_APART, _SHARE_APART = 0.5, 0.02


class Sort(StrEnum):
    """What an output's name claims; ANY for a name that claims nothing we know."""

    VIDEO = "video"
    SOUND = "sound"
    PICTURE = "picture"
    DATA = "text"
    ANY = "file"


_EXTENSIONS = {
    Sort.VIDEO: "mp4 m4v mov mkv webm avi flv ts m2ts mts mpg mpeg wmv ogv 3gp",
    Sort.SOUND: "mp3 m4a aac wav flac ogg oga opus wma aiff aif",
    Sort.PICTURE: "jpg jpeg png gif webp bmp",
    Sort.DATA: "srt vtt ass ssa txt json",
}
_SORTS = {extension: sort for sort, extensions in _EXTENSIONS.items() for extension in extensions.split()}
# What the engine's operations make (facts of the engine): a voice or music put under a picture, pictures alone.
_WITH_PICTURE = frozenset({"combine", "add_music", "concatenate", "image_zoom"})
_WITH_SOUND: Mapping[str, str] = MappingProxyType({"combine": "the voice", "add_music": "the music"})


@dataclass(frozen=True, slots=True)
class Claim:
    """What a file is said to be: by its name, by the operation that made it, and its length as NCA reports it."""

    name: str
    sort: Sort
    operation: str | None = None
    seconds: float | None = None
    thumbnail: bool = False

    @property
    def extension(self) -> str:
        return self.name.rpartition(".")[2].lower()

    @property
    def picture(self) -> bool:
        return self.sort is Sort.VIDEO and self.operation in _WITH_PICTURE

    @property
    def sound(self) -> str | None:
        """What one would miss without a sound stream, in words; None where none was promised."""
        return _WITH_SOUND.get(self.operation or "") if self.sort is Sort.VIDEO else None


@dataclass(frozen=True, slots=True)
class Look:
    """What the decoder saw. `seconds` is the container's length, `ends_at` when its last packet ends (None: not looked at).

    `first` and `last` say in words what could not be decoded at each end, None where it could.
    """

    seconds: float | None
    streams: Sequence[Stream]
    first: str | None = None
    last: str | None = None
    ends_at: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate found: the type and extension to serve it under, in words what it is.

    For what is played also how, its streams in words, and its length; for a picture and for text these are empty.
    """

    media_type: str
    extension: str
    what: str
    playing: Playing | None = None
    streams: tuple[str, ...] = ()
    seconds: float | None = None


class Rejected(Exception):
    """The file is not what it claims to be; the reason is for a person who looks at Airtable."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def claim(name: str, *, role: str = "file", operation: str | None = None, seconds: float | None = None) -> Claim:
    """What an output claims to be; a thumbnail is a picture whatever made it."""
    if role == "thumbnail":
        return Claim(name, Sort.PICTURE, thumbnail=True)
    return Claim(name, _SORTS.get(name.rpartition(".")[2].lower(), Sort.ANY), operation, seconds)


def check_kind(claim: Claim, kind: Kind, head: bytes) -> None:
    """Raises Rejected where the first bytes already show that something else came."""
    wanted = {Sort.VIDEO: "a video", Sort.SOUND: "a sound file", Sort.PICTURE: "a picture"}.get(claim.sort)
    if _is_message(claim, kind, head) or (kind in (Kind.XML, Kind.JSON, Kind.TEXT) and wanted):
        raise Rejected(f"{_what_came(kind, head)} came instead of {wanted or claim.name}")
    if wanted is None:
        return
    if claim.sort is Sort.PICTURE and kind not in PICTURES:
        raise Rejected(f"{claim.name} is no picture: its first bytes are {_called(kind)}")
    if claim.sort is not Sort.PICTURE and kind not in FORMS:
        raise Rejected(f"{claim.name} is not {wanted}: its first bytes are {_called(kind)}")


def check_whole(kind: Kind, shape: Shape) -> None:
    """Raises Rejected where the file is shorter than it says itself."""
    if shape.breaks:
        raise Rejected(f"the {kind} file is not whole: {shape.breaks}")


def judge(claim: Claim, kind: Kind, look: Look) -> Verdict:
    """The verdict on a file of a known container or picture; raises Rejected with what is wrong with it."""
    if kind in PICTURES:
        return _judge_picture(kind, look)
    pictures = [stream for stream in look.streams if stream.sort == "video" and not stream.cover]
    sounds = [stream for stream in look.streams if stream.sort == "audio"]
    _check_streams(claim, kind, pictures, sounds)
    if look.first:
        raise Rejected(f"the {kind} file does not start to play: {look.first}")
    if look.last:
        raise Rejected(f"the {kind} file does not play to its end: {look.last}")
    seconds = _check_length(claim, kind, look)
    length = "of unknown length" if seconds is None else f"{seconds:.1f} s"
    form = FORMS[kind]
    how = playing(kind, pictures, sounds)
    streams = tuple(str(stream) for stream in (*pictures[:1], *sounds[:1]))
    return Verdict(
        media_type=form.video_type if pictures else form.audio_type,
        extension="m4a" if kind is Kind.MP4 and not pictures else form.extension,
        what=", ".join((str(kind), *streams, *(() if pictures else ("sound alone",)), length)),
        playing=how,
        streams=streams,
        seconds=seconds,
    )


def judge_text(claim: Claim, start: bytes, *, whole: bool) -> Verdict:
    """The verdict on an output that is text; raises Rejected where its reader could not read it."""
    if fault := fault_of(claim.extension, start, whole=whole):
        raise Rejected(f"{claim.name} is not what its name says: {fault}")
    return as_named(claim)


def as_named(claim: Claim) -> Verdict:
    """The verdict on text and on what is no media: its name says what it is."""
    return Verdict(content_type(claim.name), claim.extension, str(claim.sort))


def _judge_picture(kind: Kind, look: Look) -> Verdict:
    if look.first:
        raise Rejected(f"the {kind} picture cannot be shown: {look.first}")
    form = PICTURES[kind]
    size = next((f" {stream.width}x{stream.height}" for stream in look.streams if stream.width), "")
    return Verdict(form.video_type, form.extension, f"{kind} picture{size}")


def _check_streams(claim: Claim, kind: Kind, pictures: Sequence[Stream], sounds: Sequence[Stream]) -> None:
    if not pictures and not sounds:
        raise Rejected(f"the {kind} file has neither picture nor sound")
    if claim.sort is Sort.SOUND and not sounds:
        raise Rejected(f"{claim.name} should be a sound file, but there is no sound in it")
    if claim.picture and not pictures:
        raise Rejected(f"{claim.operation} should make a video, but {claim.name} has sound alone")
    if claim.sound and not sounds:
        raise Rejected(f"{claim.operation} should put {claim.sound} into the video, but {claim.name} has no sound")


def _check_length(claim: Claim, kind: Kind, look: Look) -> float | None:
    """How long it plays; None for a live recording that does not say and is too long to be read to its end."""
    seconds = look.seconds or look.ends_at
    if seconds is None:
        return None
    if seconds <= 0:
        raise Rejected(f"the {kind} file is 0 seconds long")
    if look.ends_at is not None and seconds - look.ends_at > max(_SECONDS_SHORT, seconds * _SHARE_SHORT):
        raise Rejected(f"the {kind} file breaks off after {look.ends_at:.1f} of {seconds:.1f} seconds")
    if claim.seconds and abs(claim.seconds - seconds) > max(_SECONDS_APART, claim.seconds * _SHARE_APART):
        raise Rejected(f"NCA made {claim.seconds:.1f} seconds, but the {kind} file has {seconds:.1f}")
    return seconds


def _is_message(claim: Claim, kind: Kind, head: bytes) -> bool:
    """A page, or a store's message, under a name that promises neither."""
    if kind is Kind.PAGE:
        return claim.extension not in ("html", "htm", "xhtml")
    return kind is Kind.XML and claim.extension != "xml" and (claim.sort is Sort.DATA or b"<Error>" in head)


def _called(kind: Kind) -> str:
    if kind is Kind.UNKNOWN:
        return "of no kind of media"
    return f"a {kind} picture's" if kind in PICTURES else f"those of {kind}"


def _what_came(kind: Kind, head: bytes) -> str:
    """What came instead, with the words in it that tell a person why."""
    article = {Kind.PAGE: "an HTML page", Kind.XML: "an XML message", Kind.JSON: "a JSON message"}.get(kind, "plain text")
    said = said_in(kind, head)
    return f"{article} (“{said}”)" if said else article
