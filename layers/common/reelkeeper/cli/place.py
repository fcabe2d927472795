"""Where a command works: from the stack's name to its outputs, its functions' settings, and the adapters for both.

A command sees with the operator's own rights what the functions see with theirs. Everything is read when it is first
needed, so that what one may not read stands in the way of nothing else.
"""

import os
import threading
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from cyclopts import Parameter

if TYPE_CHECKING:
    from reelkeeper.adapters.inbox import Inbox
    from reelkeeper.adapters.ledger import Ledger
    from reelkeeper.adapters.queue import Queue
    from reelkeeper.services.outside import Outside
    from reelkeeper.settings import Settings


class NoStack(Exception):
    """There is no such stack, or it is not whole; the message says how to name the right one."""


class Place:
    """One deployed stack, on AWS or on this machine."""

    def __init__(
        self, *, stack: str, profile: str | None = None, region: str | None = None, endpoint_url: str | None = None
    ) -> None:
        self.stack = stack
        self._profile = profile
        self._region = region
        self.endpoint_url = endpoint_url
        self._clients: dict[str, Any] = {}
        # Several sources are asked side by side, and boto3's sessions are not made for that.
        self._lock = threading.RLock()

    def client(self, service: str) -> Any:
        """A boto3 client with the operator's rights, patient for a few seconds."""
        with self._lock:
            if service not in self._clients:
                from reelkeeper.adapters.clients import PATIENT  # noqa: PLC0415 - boto3 takes most of a second to import

                self._clients[service] = self._session.client(service, config=PATIENT)
            return self._clients[service]

    @property
    def region(self) -> str:
        """The region the stack is looked for in."""
        return str(self._session.region_name or "")

    @property
    def named_region(self) -> str:
        """The region named on the command line, or nothing."""
        return self._region or ""

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """What the stack tells back; raises NoStack."""
        from botocore.exceptions import ClientError  # noqa: PLC0415

        try:
            found = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            found = []
        if not found:
            raise NoStack(
                f"There is no stack {self.stack!r} in {self.region}: name yours with --stack (and --profile, --region), "
                "or deploy it with: make deploy"
            )
        return {one["OutputKey"]: one["OutputValue"] for one in found[0].get("Outputs", [])}

    def output(self, name: str) -> str:
        """One output by its name; raises NoStack for a stack that is not ours, or not deployed to its end."""
        try:
            return self.outputs[name]
        except KeyError:
            raise NoStack(
                f"The stack {self.stack!r} has no output {name}: it is another template's, or not deployed to its end; "
                "name yours with --stack, or deploy again with: make deploy"
            ) from None

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """The environment persist runs with: what is configured, as it is in force."""
        name = self.output("PersistFunctionName")
        answer = self.client("lambda").get_function_configuration(FunctionName=name)
        return dict(answer.get("Environment", {}).get("Variables", {}))

    @cached_property
    def settings(self) -> "Settings":
        """Persist's settings; raises ConfigurationError as persist itself would."""
        from reelkeeper.settings import Settings  # noqa: PLC0415

        return Settings.read(self.environment)

    @property
    def outside(self) -> "Outside":
        """Every adapter as the functions have it, the secret's keys included; made once, whoever asks first."""
        with self._lock:
            return self._outside

    @cached_property
    def _outside(self) -> "Outside":
        from reelkeeper.services.outside import Outside  # noqa: PLC0415

        settings = self.settings
        return Outside.from_settings(settings)

    @property
    def secret(self) -> Mapping[str, str]:
        """Every key the functions have; raises RetryLater with the remedy."""
        with self._lock:
            return self._secret

    @cached_property
    def _secret(self) -> Mapping[str, str]:
        from reelkeeper.adapters.secrets import read_secret  # noqa: PLC0415

        return read_secret(self.client("secretsmanager"), self.settings.secret)

    @cached_property
    def ledger(self) -> "Ledger":
        from reelkeeper.adapters.ledger import Ledger  # noqa: PLC0415

        return Ledger(self.client("dynamodb"), self.output("LedgerTable"))

    @cached_property
    def queue(self) -> "Queue":
        from reelkeeper.adapters.queue import Queue  # noqa: PLC0415

        return Queue(self.client("sqs"), self.output("QueueUrl"))

    @cached_property
    def dead_letters(self) -> "Queue":
        from reelkeeper.adapters.queue import Queue  # noqa: PLC0415

        return Queue(self.client("sqs"), self.output("DeadLetterQueueUrl"))

    @cached_property
    def inbox(self) -> "Inbox":
        from reelkeeper.adapters.inbox import Inbox  # noqa: PLC0415

        return Inbox(lambda: self.client("s3"), self.output("BucketName"))

    @cached_property
    def _session(self) -> Any:
        import boto3  # noqa: PLC0415

        if self.endpoint_url:
            # botocore knows no other way to say it once for every service, and the adapters make clients of their own.
            os.environ["AWS_ENDPOINT_URL"] = self.endpoint_url
        boto3.setup_default_session(profile_name=self._profile, region_name=self._region)
        return boto3.DEFAULT_SESSION


# What a command writes to be given its place: `def jobs(*, place: Here)`.
Here: TypeAlias = Annotated[Place, Parameter(parse=False)]
