"""The logger and the metrics, under one set of names; docs/metrics.md lists them for people."""

from aws_lambda_powertools import Logger, Metrics

logger = Logger(utc=True)
metrics = Metrics()
