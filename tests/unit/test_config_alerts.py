"""Alerts, as the configuration knows them."""

import pytest

from doorward.config.show import show_config
from doorward.rules.alert import AlertKind
from tests.fakes.configured import load, problems_of

URL = "ntfys://ntfy.example.test/tk_s3cret"


def test_without_a_word_administrators_are_mailed_what_is_not_daily_and_nothing_goes_elsewhere() -> None:
    alerts = load("").config.alerts
    assert (alerts.targets, alerts.quiet, alerts.language) == ((), (), "en")
    assert frozenset(AlertKind) - frozenset(alerts.mail) == {AlertKind.NEW_DEVICE, AlertKind.LOCKED_OUT}


def test_targets_are_named_and_their_addresses_are_secrets(tmp_path) -> None:
    file = tmp_path / "url"
    file.write_text(f"{URL}\n")
    file.chmod(0o600)
    loaded = load(
        f"alerts: {{targets: [{{name: phone, url: '{URL}'}}, "
        f"{{name: room, url_file: {file}, kinds: [lockdown, backup_failed]}}], mail: [], quiet: new_device}}"
    )
    phone, room = loaded.config.alerts.targets
    assert (phone.name, phone.url.reveal(), phone.kinds) == ("phone", URL, ())
    assert (room.url.reveal(), room.kinds) == (URL, (AlertKind.LOCKDOWN, AlertKind.BACKUP_FAILED))
    assert (loaded.config.alerts.mail, loaded.config.alerts.quiet) == ((), (AlertKind.NEW_DEVICE,))
    assert "s3cret" not in show_config(loaded)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{{name: Phone 1, url: '{URL}'}}", "is not a name for a target"),
        (f"{{name: phone, url: '{URL}?verify=no'}}", "must not say `verify=`"),
        ("{name: phone, url: 'file:///etc/passwd'}", "none of the services"),
        ("{name: phone, url: 7}", "a secret must be text"),
        (f"{{name: phone, url: '{URL}', kinds: [everything]}}", "is no kind of alert"),
        (f"{{name: phone, url: '{URL}'}}, {{name: phone, url: '{URL}'}}", "another target is called 'phone'"),
    ],
)
def test_what_cannot_be_used_is_refused_without_its_address(text: str, said: str) -> None:
    problems = problems_of(f"alerts: {{targets: [{text}]}}")
    assert any(said in problem for problem in problems), problems
    assert "s3cret" not in str(problems)
