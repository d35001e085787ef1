"""`doorward keys rotate assertion`, and an app that asks for assertions while the gateway runs."""

import re
import signal
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "assertions.md"
ADDRESS = "/.well-known/jwks.json"


def kids_of(server):
    answer = server.get(ADDRESS)
    assert answer.status_code == 200
    return [key["kid"] for key in answer.json()["keys"]]


def test_the_guides_commands_work_beside_a_running_server_and_without_one(place):
    """As they stand there, in their order."""
    place.add("root", "--admin")
    text = GUIDE.read_text("utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    commands = [line.split()[1:] for line in lines if line.startswith("doorward ")]
    assert len(commands) == 2
    first = place.answer(*commands[0])["kid"]
    with place.serving() as server:
        assert kids_of(server) == [first]
        second = place.answer(*commands[0])["kid"]
        assert kids_of(server) == [second, first]
        told = place.run(*commands[1])
        assert told.exit_code == 0
        (last,) = kids_of(server)
        assert f"The key {last} signs now, and no other is published." in told.stdout
    kinds = [(row["key"], row["state"]) for row in place.answer("keys", "list")]
    assert kinds.count(("assertion", "in use")) == 1
    assert kinds.count(("assertion", "retired")) == 2


def test_an_app_that_begins_to_ask_is_told_at_once(place):
    """The key is there before the first check that needs it: no restart, and no request lost."""
    place.add("root", "--admin")
    with place.serving() as server:
        assert kids_of(server) == []
        place.write("apps: [{name: App, hosts: app.door.localhost, assertion: true}]\n")
        server.process.send(signal.SIGHUP)
        server.process.wait_until(lambda: "reloaded" in server.process.log)
        assert len(kids_of(server)) == 1
