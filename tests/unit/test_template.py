"""The template and the code say the same: names, prefixes, rights."""

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from reelkeeper.domain.message import CALLBACKS_PREFIX, INBOX_PREFIX
from reelkeeper.domain.naming import OUTPUTS_PREFIX, QUARANTINE_PREFIX
from reelkeeper.settings import ConfigurationError, ReceiveSettings, Settings
from tests.unit.cloudformation import ROOT, environment, resource, statements, template

ROLES = ("WebhookRole", "PersistRole", "PollerRole")
READERS: dict[str, Callable[[Mapping[str, str]], object]] = {
    "WebhookFunction": ReceiveSettings.read,
    "PersistFunction": Settings.read,
    "PollerFunction": Settings.read,
}
# Read by libraries: Powertools and boto3.
FOREIGN = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL", "AWS_ENDPOINT_URL"}

NUMBERS = {"MAX_OBJECT_MIB", "AIRTABLE_SHARE", "NCA_WORKERS", "WEBHOOKS_SILENT_MINUTES", "COPY_MEMORY_MIB", "COPY_WIDTH"}


class Watched(Mapping[str, str]):
    """An environment that remembers what was asked of it."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        # Optional settings are left out, so that required ones behind them are reached; numbers must parse.
        if name in {"STORAGE_ADDRESSING", "FAST_START", "STORAGE_BUCKET", "SOURCE_BUCKET_DOMAINS", "NCA_BUCKET_URL"} | NUMBERS:
            raise KeyError(name)
        return "value"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize("function", READERS)
def test_a_function_is_given_exactly_the_settings_it_reads(function: str) -> None:
    watched = Watched()
    READERS[function](watched)
    assert set(environment(function)) - FOREIGN == watched.asked


@pytest.mark.parametrize("settings", [ReceiveSettings, Settings])
def test_an_empty_environment_is_one_clear_line(settings: type[ReceiveSettings] | type[Settings]) -> None:
    with pytest.raises(ConfigurationError, match=r"is not set; template\.yaml"):
        settings.read({})


def test_the_ledgers_keys_and_indexes_are_the_codes() -> None:
    table = resource("Ledger")
    assert _names(table) == ["job_id"]
    assert {index["IndexName"]: _names(index) for index in table["GlobalSecondaryIndexes"]} == {
        "due": ["due_shard", "due_at"],
        "record": ["record_id", "received_at"],
        "reference": ["ref", "received_at"],
    }
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


@pytest.mark.parametrize("name", ["Ledger", "Bucket", "BucketPolicy", "Distribution", "OriginAccess", "ForBrowsers"])
def test_what_was_kept_outlives_the_stack(name: str) -> None:
    declared = template()["Resources"][name]
    assert (declared["DeletionPolicy"], declared["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_nothing_in_the_bucket_ever_expires() -> None:
    rules = resource("Bucket")["LifecycleConfiguration"]["Rules"]
    assert [set(rule) for rule in rules] == [{"Id", "Status", "AbortIncompleteMultipartUpload"}]


def test_permanent_addresses_depend_on_no_parameter() -> None:
    """A stack that goes to another store, and back, serves what it kept before all the while."""
    for name in ("Bucket", "BucketPolicy", "OriginAccess", "ForBrowsers", "Distribution"):
        declared = template()["Resources"][name]
        assert "Condition" not in declared
        assert declared["DeletionPolicy"] == declared["UpdateReplacePolicy"] == "Retain"
    assert "Fn::If" not in str(resource("BucketPolicy"))


def test_the_cdn_reads_outputs_and_nothing_else() -> None:
    allowed = [one for one in resource("BucketPolicy")["PolicyDocument"]["Statement"] if one["Effect"] == "Allow"]
    assert [statement["Resource"] for statement in allowed] == [{"Fn::Sub": f"${{Bucket.Arn}}/{OUTPUTS_PREFIX}*"}]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_names_its_resources(role: str) -> None:
    for statement in statements(role):
        if statement["Action"] != ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]:
            assert "*" not in _words(statement["Resource"])
        assert not any("*" in action for action in _words(statement["Action"]))


@pytest.mark.parametrize("role", ROLES)
def test_a_role_reaches_only_the_prefixes_of_the_code(role: str) -> None:
    reached = set(re.findall(r"\$\{Bucket\.Arn\}/([^\"]*)", json.dumps(statements(role))))
    assert reached <= {f"{prefix}*" for prefix in (OUTPUTS_PREFIX, QUARANTINE_PREFIX, INBOX_PREFIX, CALLBACKS_PREFIX)}


def test_persist_puts_into_the_quarantine_and_never_reads_it() -> None:
    rights = {
        action
        for statement in statements("PersistRole")
        if f"/{QUARANTINE_PREFIX}*" in json.dumps(statement["Resource"])
        for action in _words(statement["Action"])
    }
    assert rights == {"s3:PutObject", "s3:AbortMultipartUpload"}


@pytest.mark.parametrize("role", ROLES)
def test_nobody_can_delete_what_was_kept_for_good(role: str) -> None:
    """A delete leaves a version behind; one of a version would not."""
    assert "s3:DeleteObjectVersion" not in json.dumps(statements(role))


def test_the_public_function_can_send_store_and_read_its_token_and_nothing_else() -> None:
    granted = statements("WebhookRole")
    rights = {action: statement["Resource"] for statement in granted for action in _words(statement["Action"])}
    assert rights == {
        "logs:CreateLogStream": {"Fn::GetAtt": "WebhookLogs.Arn"},
        "logs:PutLogEvents": {"Fn::GetAtt": "WebhookLogs.Arn"},
        "xray:PutTraceSegments": "*",
        "xray:PutTelemetryRecords": "*",
        "sqs:SendMessage": {"Fn::GetAtt": "Queue.Arn"},
        "s3:PutObject": {"Fn::Sub": f"${{Bucket.Arn}}/{INBOX_PREFIX}*"},
        "secretsmanager:GetSecretValue": {"Fn::GetAtt": "WebhookTokenSecret.Id"},
    }


def test_the_access_log_never_shows_the_path_for_the_token_is_in_it() -> None:
    line = resource("Stage")["AccessLogSettings"]["Format"]
    shown = set(re.findall(r"\$context\.([A-Za-z.]+)", line))
    assert json.loads(line)
    assert {"routeKey", "status", "requestId", "responseLatency", "identity.sourceIp", "integrationErrorMessage"} <= shown
    assert not [name for name in shown if "path" in name.lower() or name == "extendedRequestId"]


@pytest.mark.parametrize("function", READERS)
def test_the_root_logger_is_never_turned_up_for_botocore_would_log_secrets(function: str) -> None:
    assert set(resource(function)["LoggingConfig"]) == {"LogGroup"}


def test_no_output_and_no_parameter_holds_a_secret() -> None:
    text = json.dumps([template()["Outputs"], template()["Parameters"]])
    assert "resolve:secretsmanager" not in json.dumps(template())
    assert not re.findall(r"(?i)(api_?key|airtable_?token|password)", text)


def test_the_queue_waits_six_times_as_long_as_the_function_that_reads_it() -> None:
    # AWS, "Configuring a queue to use with Lambda".
    assert resource("Queue")["VisibilityTimeout"] >= 6 * resource("PersistFunction")["Timeout"]


def test_the_caller_hears_the_functions_own_answer() -> None:
    assert resource("WebhookIntegration")["TimeoutInMillis"] > 1000 * resource("WebhookFunction")["Timeout"]


def test_every_parameter_is_described_and_everything_typed_is_checked() -> None:
    for name, parameter in template()["Parameters"].items():
        assert len(parameter["Description"]) > 20, name
        assert {"AllowedPattern", "AllowedValues", "MinValue"} & set(parameter), name


def test_every_parameter_is_in_the_documentation_with_its_variable_and_its_default() -> None:
    rows = [line for line in (ROOT / "docs" / "configuration.md").read_text().splitlines() if line.startswith("| `")]
    variables = {
        one["Ref"]: name for name, one in environment("PersistFunction").items() if isinstance(one, dict) and "Ref" in one
    }
    for name, parameter in template()["Parameters"].items():
        [row] = [row for row in rows if f"`{name}`" in row.split("|")[1]]
        assert str(parameter.get("Default", "")) in row, name
        assert name not in variables or f"`{variables[name]}`" in row, name


def test_every_parameter_has_its_place_on_the_form() -> None:
    groups = template()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(template()["Parameters"])


def test_samconfig_sets_only_parameters_the_template_has() -> None:
    for environment_name, commands in tomllib.loads((ROOT / "samconfig.toml").read_text()).items():
        if environment_name == "version":
            continue
        for command in commands.values():
            pairs = dict(pair.split("=", 1) for pair in command["parameters"].get("parameter_overrides", []))
            assert set(pairs) <= set(template()["Parameters"])
            for name, value in pairs.items():
                assert re.fullmatch(template()["Parameters"][name].get("AllowedPattern", ".*"), value), name


def test_env_json_speaks_of_the_functions_and_of_variables_they_declare() -> None:
    for function, variables in json.loads((ROOT / "env.json").read_text()).items():
        assert set(variables) <= set(environment(function))


def _names(keyed: Mapping[str, Any]) -> list[str]:
    return [key["AttributeName"] for key in keyed["KeySchema"]]


def _words(value: Any) -> list[str]:
    return [str(one) for one in (value if isinstance(value, list) else [value])]
