"""The environment is read once, and each mistake in it gets one line with the setting's name and the remedy."""

from dataclasses import fields

import pytest

from reelkeeper.settings import (
    MIB,
    AirtableSettings,
    ConfigurationError,
    ReceiveSettings,
    Settings,
    SourceSettings,
    StorageSettings,
)

NEEDED = {
    "QUEUE_URL": "https://sqs/queue",
    "DEAD_LETTER_QUEUE_URL": "https://sqs/dead",
    "TABLE": "ledger",
    "BUCKET": "bucket",
    "SECRET_ARN": "arn:secret",
    "PUBLIC_URL_TEMPLATE": "https://d1.cloudfront.net/{key}",
    "AIRTABLE_BASE_ID": "appAAAAAAAAAAAAAA",
}
RECEIVES = {"QUEUE_URL": "https://sqs/queue", "BUCKET": "bucket", "TOKEN_SECRET_ARN": "arn:token"}


def test_what_need_not_be_set_has_its_default() -> None:
    settings = Settings.read(NEEDED)
    assert settings.storage == StorageSettings(
        bucket="bucket", public_url="https://d1.cloudfront.net/{key}", endpoint="", region="", acl="", addressing="auto"
    )
    assert settings.source == SourceSettings(hosts=frozenset(), local_hosts=frozenset(), max_bytes=47_683 * MIB)
    assert settings.airtable == AirtableSettings("appAAAAAAAAAAAAAA", "https://api.airtable.com", "")
    assert (settings.nca_url, settings.topic_arn) == ("", "")


def test_what_is_set_is_read() -> None:
    settings = Settings.read(
        NEEDED
        | {
            "NCA_URL": "https://nca.example.com/",
            "TOPIC_ARN": "arn:topic",
            "STORAGE_BUCKET": "my-space",
            "STORAGE_ENDPOINT": "https://nyc3.digitaloceanspaces.com",
            "STORAGE_REGION": "nyc3",
            "STORAGE_ACL": "public-read",
            "STORAGE_ADDRESSING": "virtual",
            "SOURCE_HOSTS": " A.example.com, .B.example.com ,,",
            "SOURCE_LOCAL_HOSTS": "minio:9000",
            "MAX_OBJECT_MIB": " 7 ",
            "AIRTABLE_ENDPOINT": "http://localhost:1",
            "MAPPING_PARAMETER": "/reelkeeper/mapping",
        }
    )
    assert (settings.nca_url, settings.topic_arn) == ("https://nca.example.com", "arn:topic")
    assert settings.storage == StorageSettings(
        bucket="my-space",
        public_url="https://d1.cloudfront.net/{key}",
        endpoint="https://nyc3.digitaloceanspaces.com",
        region="nyc3",
        acl="public-read",
        addressing="virtual",
    )
    assert settings.source.hosts == {"a.example.com", ".b.example.com"}
    assert (settings.source.local_hosts, settings.source.max_bytes) == (frozenset({"minio:9000"}), 7 * MIB)
    assert settings.airtable == AirtableSettings("appAAAAAAAAAAAAAA", "http://localhost:1", "/reelkeeper/mapping")


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_setting_that_is_missing_is_named(name: str, value: str | None) -> None:
    environ = {one: text for one, text in (NEEDED | {name: value}).items() if text is not None}
    with pytest.raises(ConfigurationError) as caught:
        Settings.read(environ)
    assert str(caught.value).startswith(f"{name} is not set; template.yaml sets it")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        *(
            ("MAX_OBJECT_MIB", value, f"MAX_OBJECT_MIB is {value!r}; it must be a whole number above 0")
            for value in ("0", "-5", "1.5", "1e3", "50 GiB", "nan", "٣", "1_000", "9" * 5_000)
        ),
        *(
            ("STORAGE_ADDRESSING", value, f"STORAGE_ADDRESSING is {value!r}; it must be one of auto, path, virtual")
            for value in ("Path", "host", " ")
        ),
    ],
)
def test_a_value_that_cannot_be_is_shown_with_what_can(name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.read(NEEDED | {name: value})
    assert str(caught.value) == said


def test_an_empty_storage_bucket_is_the_stacks_own() -> None:
    assert StorageSettings.read(NEEDED | {"STORAGE_BUCKET": " "}).bucket == "bucket"


def test_the_webhook_needs_three_settings_and_no_more() -> None:
    assert ReceiveSettings.read(RECEIVES) == ReceiveSettings("https://sqs/queue", "bucket", "arn:token")
    assert len(fields(ReceiveSettings)) == len(RECEIVES)


@pytest.mark.parametrize("name", RECEIVES)
def test_the_webhook_names_what_it_lacks(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} is not set; "):
        ReceiveSettings.read({one: text for one, text in RECEIVES.items() if one != name})
