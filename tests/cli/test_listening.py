"""Where a server listens: all families, a unix socket, and never in the place of one that still answers."""

import socket
import stat

import pytest

from doorward.errors import ConfigError
from doorward.web.serving import name_socket, open_socket


def reach(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as visitor:
        visitor.settimeout(5)
        return visitor.connect_ex(address)


def test_no_host_means_everywhere_by_both_families():
    with open_socket("", 0, "", setting="server.addr") as listening:
        port = listening.getsockname()[1]
        assert reach(socket.AF_INET, ("127.0.0.1", port)) == 0
        if listening.family == socket.AF_INET6:
            assert reach(socket.AF_INET6, ("::1", port)) == 0


@pytest.mark.parametrize(("host", "name"), [("127.0.0.1", "127.0.0.1:{}"), ("::1", "[::1]:{}")])
def test_a_host_is_listened_on_and_named_with_its_real_port(host, name):
    with open_socket(host, 0, "", setting="server.addr") as listening:
        assert name_socket(listening) == name.format(listening.getsockname()[1])


def test_a_port_that_is_taken_is_a_fault_the_operator_can_mend():
    with open_socket("127.0.0.1", 0, "", setting="server.addr") as listening:
        port = listening.getsockname()[1]
        with pytest.raises(ConfigError, match=f"prometheus.addr: cannot listen on 127.0.0.1:{port}"):
            open_socket("127.0.0.1", port, "", setting="prometheus.addr")


def test_a_host_that_is_none_of_ours_is_a_fault_the_operator_can_mend():
    with pytest.raises(ConfigError, match=r"server.addr: cannot listen on 192\.0\.2\.1:0"):
        open_socket("192.0.2.1", 0, "", setting="server.addr")


def test_a_unix_socket_is_for_us_and_our_group(tmp_path):
    path = str(tmp_path / "doorward.sock")
    with open_socket("", 0, path, setting="server.addr") as listening:
        assert name_socket(listening) == f"unix:{path}"
        assert stat.S_IMODE((tmp_path / "doorward.sock").stat().st_mode) == 0o660
        assert reach(socket.AF_UNIX, path) == 0


def test_the_socket_of_a_process_that_is_gone_is_replaced(tmp_path):
    path = str(tmp_path / "doorward.sock")
    open_socket("", 0, path, setting="server.addr").close()
    with open_socket("", 0, path, setting="server.addr"):
        assert reach(socket.AF_UNIX, path) == 0


def test_the_socket_of_a_process_that_answers_is_left_alone(tmp_path):
    path = str(tmp_path / "doorward.sock")
    with open_socket("", 0, path, setting="server.addr"):
        with pytest.raises(ConfigError, match="cannot listen"):
            open_socket("", 0, path, setting="server.addr")
        assert reach(socket.AF_UNIX, path) == 0


def test_a_file_that_is_no_socket_is_left_alone(tmp_path):
    path = tmp_path / "precious"
    path.write_text("kept", "utf-8")
    with pytest.raises(ConfigError, match="cannot listen"):
        open_socket("", 0, str(path), setting="server.addr")
    assert path.read_text("utf-8") == "kept"


def test_a_folder_that_is_not_there_is_a_fault_the_operator_can_mend(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        open_socket("", 0, str(tmp_path / "nowhere" / "doorward.sock"), setting="server.addr")
