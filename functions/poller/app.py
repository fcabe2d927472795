"""The poller: one sweep for each event of its schedule, ended in time for its answer; and the weekly report on its own."""

import os
import random
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from reelkeeper.domain.errors import RetryLater
from reelkeeper.metric import Metric
from reelkeeper.services.outside import Outside
from reelkeeper.services.recover import sweep
from reelkeeper.services.report import mail
from reelkeeper.services.stock import take_stock
from reelkeeper.settings import ConfigurationError, Settings
from reelkeeper.telemetry import logger, one_run, record

# What a sweep leaves of its function's time, for the calls that are under way.
_MARGIN = timedelta(seconds=30)


@one_run()
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    began = _now()
    ends_at = began + timedelta(milliseconds=context.get_remaining_time_in_millis()) - _MARGIN
    try:
        answer = _report(event["report_days"]) if "report_days" in event else _sweep(began, ends_at, context.aws_request_id)
    except (ConfigurationError, RetryLater) as error:
        logger.error("no report" if "report_days" in event else "no sweep", reason=str(error))
        answer = {"error": str(error)}
    return answer


def _sweep(began: datetime, ends_at: datetime, owner: str) -> dict[str, Any]:
    outside = _outside()
    swept = sweep(outside=outside, clock=_now, chance=random.random, ends_at=ends_at, owner=owner)
    if outside.outdated:
        _outside.cache_clear()
    if swept.busy:
        logger.info("another sweep runs")
        return asdict(swept)
    take_stock(outside.ledger, at=_now())
    record(Metric.SWEEPS_TOTAL)
    record(Metric.SWEEP_SECONDS, (_now() - began).total_seconds())
    record(Metric.JOBS_DUE, swept.due)
    logger.info("swept", **asdict(swept))
    return asdict(swept)


def _report(days: int) -> dict[str, Any]:
    made = mail(Settings.read(os.environ), _outside().topic, days=days, at=_now())
    logger.info("report mailed", finished=made.finished, kept=made.kept, exceptions=len(made.exceptions))
    return {"finished": made.finished, "kept": made.kept, "exceptions": len(made.exceptions)}


@cache
def _outside() -> Outside:
    return Outside.from_settings(Settings.read(os.environ))


def _now() -> datetime:
    return datetime.now(UTC)
