"""The rights each function needs, and whether its role has them: IAM itself is asked, as far as one may ask it."""

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

from botocore.exceptions import ClientError

from reelkeeper.cli.place import Place
from reelkeeper.domain.causes import Check
from reelkeeper.domain.message import CALLBACKS_PREFIX, INBOX_PREFIX
from reelkeeper.domain.naming import OUTPUTS_PREFIX, QUARANTINE_PREFIX

Function: TypeAlias = Literal["webhook", "persist", "poller"]
Needs: TypeAlias = Mapping[str, tuple[str, ...]]

_SHOWN = 4
_LEDGER = ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Query")
# By function and by what is needed on which resource; a test holds the template to it.
NEEDS: Mapping[Function, Needs] = {
    "webhook": {
        "Queue": ("sqs:SendMessage",),
        f"Bucket/{INBOX_PREFIX}": ("s3:PutObject",),
        "WebhookTokenSecret": ("secretsmanager:GetSecretValue",),
    },
    "persist": {
        "Queue": ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"),
        "DeadLetterQueue": ("sqs:SendMessage",),
        "Ledger": _LEDGER,
        f"Bucket/{OUTPUTS_PREFIX}": ("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"),
        f"Bucket/{QUARANTINE_PREFIX}": ("s3:PutObject",),
        f"Bucket/{INBOX_PREFIX}": ("s3:GetObject", "s3:DeleteObject"),
        f"Bucket/{CALLBACKS_PREFIX}": ("s3:GetObject", "s3:PutObject"),
        "Bucket": ("s3:ListBucket",),
        "CredentialsSecret": ("secretsmanager:GetSecretValue",),
        "Topic": ("sns:Publish",),
    },
    "poller": {
        "Queue": ("sqs:SendMessage",),
        "Ledger": _LEDGER,
        f"Bucket/{INBOX_PREFIX}": ("s3:GetObject", "s3:DeleteObject"),
        f"Bucket/{OUTPUTS_PREFIX}": ("s3:GetObject",),
        "Bucket": ("s3:ListBucket",),
        "CredentialsSecret": ("secretsmanager:GetSecretValue",),
        "Topic": ("sns:Publish",),
    },
}


def check_rights(place: Place) -> Iterator[Check]:
    """Each function's role against what the function needs."""
    arns = _arns(place)
    for function, needs in NEEDS.items():
        name = f"rights of {function}"
        answer = place.client("lambda").get_function_configuration(FunctionName=place.output(f"{function.title()}FunctionName"))
        try:
            missing = [
                f"{action} on {on}"
                for on, actions in needs.items()
                for action in _denied(place, answer["Role"], actions, arns[on])
            ]
        except ClientError as error:
            yield Check(name, "unknown", f"IAM does not say: {error}", "use a profile that may iam:SimulatePrincipalPolicy")
            return
        count = sum(len(actions) for actions in needs.values())
        if missing:
            more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            what = f"its role may not {', '.join(missing[:_SHOWN])}{more}"
            yield Check(name, "fail", what, "deploy the template again: make deploy")
        else:
            yield Check(name, "good", f"its role may do all {count} things it does")


def _denied(place: Place, role: str, actions: tuple[str, ...], arn: str) -> list[str]:
    answer = place.client("iam").simulate_principal_policy(PolicySourceArn=role, ActionNames=list(actions), ResourceArns=[arn])
    return [one["EvalActionName"] for one in answer["EvaluationResults"] if one["EvalDecision"] != "allowed"]


def _arns(place: Place) -> dict[str, str]:
    outputs = place.outputs
    function = place.client("lambda").get_function_configuration(FunctionName=place.output("PersistFunctionName"))
    _, partition, _, region, account, *_ = function["FunctionArn"].split(":")
    bucket = f"arn:{partition}:s3:::{place.output('BucketName')}"
    prefixes = (INBOX_PREFIX, OUTPUTS_PREFIX, QUARANTINE_PREFIX, CALLBACKS_PREFIX)
    return {
        **{
            name: f"arn:{partition}:sqs:{region}:{account}:{place.output(output).rpartition('/')[2]}"
            for name, output in (("Queue", "QueueUrl"), ("DeadLetterQueue", "DeadLetterQueueUrl"))
        },
        "Ledger": f"arn:{partition}:dynamodb:{region}:{account}:table/{place.output('LedgerTable')}",
        "Bucket": bucket,
        **{f"Bucket/{prefix}": f"{bucket}/{prefix}doctor" for prefix in prefixes},
        "WebhookTokenSecret": outputs["WebhookTokenSecretArn"],
        "CredentialsSecret": outputs["CredentialsSecretArn"],
        "Topic": outputs["TopicArn"],
    }
