"""Waiting times as people and `Retry-After` have them."""

from datetime import timedelta
from math import ceil


def seconds(span: timedelta) -> int:
    """Whole seconds, rounded up: waiting that long is enough."""
    return ceil(span.total_seconds())
