"""The one message of the queue: whatever came over HTTP comes out again as it was, and nothing else is taken for one."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reelkeeper.domain.message import CALLBACKS_PREFIX, Message, NotAMessage, Pointer, decode, encode, message_key, point
from reelkeeper.domain.moment import parse_moment, show_moment
from tests.unit.builders import NOW, a_message, moments

texts = st.text(st.characters(codec=None), max_size=20)
messages = st.builds(
    Message,
    body=st.binary(max_size=200) | st.text(max_size=100).map(str.encode),
    received_at=moments,
    query=st.dictionaries(texts, texts, max_size=4),
    content_type=st.none() | texts,
    origin=st.sampled_from(["webhook", "poll", "operator"]),
    trace=st.none() | texts,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
NAMES = ("v", "inbox", "origin", "received_at", "query", "content_type", "trace", "body", "body64")
near_messages = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, json_values | st.just(show_moment(NOW)) | st.just({})))


@given(messages)
def test_a_message_comes_out_as_it_went_in(message: Message) -> None:
    assert decode(encode(message)) == message


@given(messages)
def test_what_is_sent_is_one_line_of_ascii(message: Message) -> None:
    text = encode(message)
    assert text.isascii()
    assert text.isprintable()


@given(st.text(st.characters(codec=None)) | near_messages.map(json.dumps))
@example("[" * 100_000)
@example('{"inbox": {}}')
@example('"inbox"')
@example("1")
@example("9" * 5_000)
@example(encode(a_message()).replace("2026-11-23T18:00:00.000Z", "0001-01-01T00:00:00+23:59"))
@example(encode(a_message()).replace("2026-11-23T18:00:00.000Z", "2026-11-23T18:00:00"))
def test_whatever_else_lies_on_the_queue_is_not_a_message(text: str) -> None:
    try:
        found = decode(text)
    except NotAMessage:
        return
    if isinstance(found, Pointer):
        assert isinstance(found.key, str)
        return
    assert isinstance(found.body, bytes)
    assert found.received_at.tzinfo is UTC
    assert isinstance(found.query, Mapping)
    assert all(isinstance(one, str) for pair in found.query.items() for one in pair)
    assert found.origin in ("webhook", "poll", "operator")
    assert all(one is None or isinstance(one, str) for one in (found.content_type, found.trace))


@pytest.mark.parametrize("name", ["received_at", "query"])
def test_a_message_without_its_parts_is_none(name: str) -> None:
    value = json.loads(encode(a_message()))
    del value[name]
    with pytest.raises(NotAMessage, match=f"not a Reelkeeper message: KeyError: '{name}'"):
        decode(json.dumps(value))


def test_fields_of_a_wrong_type_are_taken_for_absent() -> None:
    value = json.loads(encode(a_message())) | {"content_type": 7, "trace": [], "origin": "a stranger"}
    message = decode(json.dumps(value))
    assert isinstance(message, Message)
    assert (message.content_type, message.trace, message.origin) == (None, None, "webhook")


@given(texts)
def test_a_claim_check_points_where_it_was_told(key: str) -> None:
    text = point(key)
    assert text.isascii()
    assert decode(text) == Pointer(key)


@given(messages)
def test_the_same_message_always_gets_the_same_key(message: Message) -> None:
    assert message_key(message) == message_key(Message(**{name: getattr(message, name) for name in Message.__slots__}))


@given(st.lists(messages, max_size=8))
def test_keys_sort_as_the_messages_came(several: list[Message]) -> None:
    by_key = sorted(several, key=message_key)
    assert [message.received_at for message in by_key] == sorted(message.received_at for message in several)


@given(messages, messages)
def test_two_messages_never_share_a_key(one: Message, other: Message) -> None:
    assert (message_key(one) == message_key(other)) is (one == other)


def test_a_key_says_the_day_in_utc() -> None:
    at = NOW.astimezone(timezone(timedelta(hours=9)))
    assert message_key(a_message(received_at=at)).startswith("inbox/2026/11/23/180000.000000-")
    assert message_key(a_message(), CALLBACKS_PREFIX).startswith("callbacks/2026/11/23/")


# Moments.


@given(moments)
def test_a_moment_reads_back(at: datetime) -> None:
    assert parse_moment(show_moment(at)) == at


def test_moments_sort_as_text() -> None:
    assert show_moment(NOW) == "2026-11-23T18:00:00.000Z" < show_moment(NOW + timedelta(milliseconds=1))


@pytest.mark.parametrize(
    "text", ["", "now", "2026-11-23", "2026-11-23T18:00:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]
)
def test_what_is_no_moment_raises_value_error_only(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_moment(text)
