"""What goes out besides sign-ins (attacks O): backups to a bucket, checkpoints to a webhook, alerts to services.

Each address is of an operator's file, so that it may be opened by name there; unnamed, nothing of it leads inside.
"""

import json
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest
from typer.testing import CliRunner

from doorward.cli import build
from tests.attacks.abroad import Shore, trapped
from tests.attacks.stage import CONFIG, ROOT, serving
from tests.fakes.peer import Peer
from tests.integration.processes import free_ports

HOSTS = (
    "127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::1]",
    "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0", "0", "127.0.0.1.", "localhost.",
)  # fmt: skip
"""Ways to write an address of this machine."""
NAMED = "127.0.0.1"


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    """Somebody on this machine whom nobody may reach unasked."""
    with Shore() as shore, trapped(shore) as listening:
        yield listening


def sections(host: str, port: int, *, allow: bool) -> str:
    """A configuration in which everything that can go out goes there."""
    place = f"{host}:{port}"
    told = {
        "backup": {"encryption": "none", "s3": {"url": f"http://{place}/bucket", "access_key": "a", "secret_key": "s3cret-of-a-bucket"}},
        "audit": {"checkpoint": {"webhook": f"http://{place}/line"}},
        "alerts": {"targets": [{"name": "phone", "url": f"json://{place}/topic"}]},
        "outbound": {"insecure_http": True, "allow": [f"{NAMED}:{port}"] if allow else []},
    }  # fmt: skip
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in told.items())


def use(folder: Path, host: str, port: int, *, allow: bool = False) -> bool:
    """Have everything go out that can. False where it does not even start."""
    own, metrics = free_ports(2)
    text = CONFIG.format(addr=f"127.0.0.1:{own}", metrics=metrics) + sections(host, port, allow=allow)
    config = folder / "doorward.yaml"
    config.write_text(text, "utf-8")

    def run(*arguments: str) -> int:
        with chdir(folder):
            return CliRunner().invoke(build(arguments[0]), [*arguments, "--config", str(config)]).exit_code

    if run("config", "check"):
        return False
    codes = run("backup", "create"), run("alert", "test")
    assert (codes == (0, 0)) == allow, codes
    # The last checkpoint goes out when the gateway ends.
    if host != NAMED:
        return True
    with serving(folder, text, own, first=None if (folder / "data").exists() else ROOT) as stage:
        stage.browser().try_password(ROOT.name, "Not the right one, 1")
    return True


def test_nothing_goes_out_to_what_nobody_named(tmp_path: Path, peer: Peer) -> None:
    """O01, O03, B-10, T-16: in any spelling; what is made here stays, and the failure is said."""
    started = [use(tmp_path, host, peer.port) for host in HOSTS]
    assert sum(started) >= 4
    assert peer.connections == 0


def test_the_same_goes_out_where_it_was_named(tmp_path: Path, peer: Peer) -> None:
    """B-09: what the test above finds nothing of is there to be found."""
    assert use(tmp_path, NAMED, peer.port, allow=True)
    verbs = {request.split(b" ")[0] + b" " + request.split(b" ")[1].split(b"/")[1] for request in peer.requests}
    assert verbs == {b"PUT bucket", b"POST topic", b"POST line"}
    assert not any(b"s3cret-of-a-bucket" in request for request in peer.requests)
