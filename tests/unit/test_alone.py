"""One at a time, and free again whatever ended it."""

from pathlib import Path

import pytest

from doorward.errors import ConfigError
from doorward.outside.alone import FILE_NAME, stay_alone


def test_while_one_is_there_no_second_comes_in(tmp_path: Path) -> None:
    with stay_alone(tmp_path), pytest.raises(ConfigError, match="another server is running"), stay_alone(tmp_path):
        pytest.fail("both are in")
    with pytest.raises(ZeroDivisionError), stay_alone(tmp_path):
        raise ZeroDivisionError
    with stay_alone(tmp_path):
        assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0


def test_a_link_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="cannot be made"), stay_alone(tmp_path):
        pytest.fail("it was followed")
    assert not (tmp_path / "elsewhere").exists()
