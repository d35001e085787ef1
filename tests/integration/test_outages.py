"""Without an answer from the gate nothing passes: down, hanging, or hanging up."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.conftest import Scene
from tests.integration.gateway import ALICE

PATIENT = "traefik"
"""The proxy whose patience with the check is half a minute and cannot be set."""


def test_nothing_passes_while_the_gate_is_down(scene: Scene) -> None:
    """Decision 13: the proxy answers 5xx, and all is well again when the gate is back."""
    cookie = scene.cookie_of(ALICE)
    with scene.line.cut():
        assert scene.visitor.navigate("/x", cookie=cookie).status >= 500
        assert scene.visitor.send("POST", "/x", body=b"a=1", cookie=cookie).status >= 500
    assert scene.arrivals == []
    assert scene.visitor.navigate("/x", cookie=cookie).status == 200


def test_nothing_passes_while_the_gate_hangs_nor_when_it_hangs_up(scene: Scene) -> None:
    """Decision 13: a check without an answer holds the request back, and a broken one refuses it."""
    cookie = scene.cookie_of(ALICE)
    with scene.line.held(), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(scene.visitor.navigate, "/x", cookie=cookie)
        scene.line.wait_for_question()
        assert not waiting.done()
        assert scene.arrivals == []
        scene.line.hang_up()
        assert waiting.result(60).status >= 500
    assert scene.arrivals == []
    assert scene.visitor.navigate("/x", cookie=cookie).status == 200


def test_a_gate_that_hangs_is_given_up_on(scene: Scene) -> None:
    """The guide's time limit holds: the visitor gets an answer, and it is a refusal."""
    if scene.proxy.name.startswith(PATIENT):
        # Nothing to set and nothing to wait for: the test above shows that it opens nothing meanwhile.
        return
    with scene.line.held():
        assert scene.visitor.navigate("/x", cookie=scene.cookie_of(ALICE)).status >= 500
    assert scene.arrivals == []


@pytest.mark.parametrize("answer", ["garbage", "half"])
def test_a_broken_answer_opens_nothing(scene: Scene, answer: str) -> None:
    """Whatever stands where the gate should be, only its whole 200 opens the door."""
    raw = {"garbage": b"\x00\x01 200 OK\r\n\r\n", "half": b"HTTP/1.1 200 OK\r\nX-Forwarded-User-Email: ro"}[answer]
    with scene.line.says(raw):
        assert scene.visitor.navigate("/x", cookie=scene.cookie_of(ALICE)).status >= 400
    assert scene.arrivals == []
