"""Faults of ours at the API: what a program is told, and what is written down."""

import json

import pytest

from tests.fakes.api import Program, open_api
from tests.fakes.door import Door


@pytest.fixture
async def door():
    made = open_api(Door())
    await made.add_user("alice")
    return made


async def test_a_store_that_does_not_answer_is_503_without_details(door):
    """R11, R12."""
    alice = await Program.enter(door, "alice")
    door.store.broken = True
    answer = await alice.send("GET", "/api/sessions/list")
    problem = json.loads(answer.body)
    assert answer.status == 503
    assert "fake" not in answer.text
    assert problem["correlation_id"]


async def test_what_nobody_foresaw_is_a_problem_too_and_written_down_with_its_reference(door):
    """R11: like that of the pages; what the exception says stays inside."""
    alice = await Program.enter(door, "alice")

    async def fail(*_, **__):
        raise RuntimeError("the secret is in here")

    door.flows.account.list_sessions = fail
    answer = await alice.send("GET", "/api/sessions/list")
    problem = json.loads(answer.body)
    assert (answer.status, answer.header("content-type")) == (500, "application/problem+json")
    assert problem["code"] == "BROKEN"
    assert "secret" not in answer.text
    assert answer.header("cache-control") == "no-store"
    event, noted = door.log.events[-1]
    assert (event, noted["status"], noted["error"]) == ("request_failed", 500, "RuntimeError")
    assert noted["correlation_id"] == problem["correlation_id"]
    assert "secret" not in str(noted)


async def test_a_fault_of_ours_is_written_down_with_the_reference_that_was_told(door):
    """R11."""
    alice = await Program.enter(door, "alice")
    door.store.broken = True
    problem = json.loads((await alice.send("GET", "/api/sessions/list")).body)
    event, noted = door.log.events[-1]
    assert (event, noted["status"], noted["correlation_id"]) == ("request_failed", 503, problem["correlation_id"])
