"""What the queues of mail and of alerts have in common, on SQL."""

from datetime import datetime
from enum import Enum
from typing import Any, TypedDict

from sqlalchemy import RowMapping, Select, Table, select

from doorward.rules.alert import Alert
from doorward.rules.letter import Letter


class Tries(TypedDict):
    """What is sent, how often that was tried, and when it is to be tried next."""

    sealed: str
    queued_at: datetime
    next_try_at: datetime
    tries: int
    done_at: datetime | None
    trouble: str


def encode_tries(queued: Alert | Letter) -> Tries:
    """The columns of what is queued."""
    return {
        "sealed": queued.sealed,
        "queued_at": queued.queued_at,
        "next_try_at": queued.next_try_at,
        "tries": queued.tries,
        "done_at": queued.done_at,
        "trouble": queued.trouble,
    }


def decode_tries(row: RowMapping) -> Tries:
    """What the columns hold."""
    return {
        "sealed": row["sealed"],
        "queued_at": row["queued_at"],
        "next_try_at": row["next_try_at"],
        "tries": row["tries"],
        "done_at": row["done_at"],
        "trouble": row["trouble"],
    }


def select_due(table: Table, waiting: Enum, now: datetime, limit: int) -> Select[Any]:
    """What waits and whose next try is due, the most overdue first."""
    columns = table.c
    query = select(table).where(columns.state == waiting.value, columns.next_try_at <= now)
    return query.order_by(columns.next_try_at, columns.queued_at, columns.id).limit(limit)


def select_newest(table: Table, state: Enum | None, limit: int) -> Select[Any]:
    """What is in any state, or in one, the newest first."""
    query = select(table) if state is None else select(table).where(table.c.state == state.value)
    return query.order_by(table.c.queued_at.desc(), table.c.id.desc()).limit(limit)
