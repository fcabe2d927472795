"""The poller: one sweep for each event of the schedule, ended in time for its answer."""

import os
import random
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from reelkeeper.domain.errors import RetryLater
from reelkeeper.services.outside import Outside
from reelkeeper.services.recover import sweep
from reelkeeper.settings import ConfigurationError, Settings
from reelkeeper.telemetry import logger, metrics

# What a sweep leaves of its function's time, for the calls that are under way.
_MARGIN = timedelta(seconds=30)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001
    ends_at = _now() + timedelta(milliseconds=context.get_remaining_time_in_millis()) - _MARGIN
    try:
        swept = asdict(sweep(outside=_outside(), clock=_now, chance=random.random, ends_at=ends_at))
    except (ConfigurationError, RetryLater) as error:
        logger.error("no sweep", reason=str(error))
        swept = {"error": str(error)}
    else:
        logger.info("swept", **swept)
    metrics.flush_metrics()
    return swept


@cache
def _outside() -> Outside:
    return Outside.from_settings(Settings.read(os.environ))


def _now() -> datetime:
    return datetime.now(UTC)
