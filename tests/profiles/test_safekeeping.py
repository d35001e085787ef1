"""What is kept, for how long, and who may take it out: the same in every profile, and what the pages say."""

from datetime import timedelta

import httpx
import pytest

from doorward.config.load import parse_config
from doorward.config.schema import Config
from tests.profiles.gateway import Gateway, find_form
from tests.profiles.pages import Page
from tests.profiles.test_limits import check_wait

RESTORES = (3, 900)


@pytest.fixture
def chosen(page: Page) -> Config:
    """The profile's own configuration."""
    lines = (f"profile: {page.name}", "server: {public_url: https://auth.example.com}", "cookie: {domain: example.com}")
    return parse_config("\n".join(lines).encode(), environ=dict(page.variables)).config


def test_backups_are_off_at_first_and_then_at_two_and_stay_a_week(chosen: Config) -> None:
    """B-36: TREK's numbers."""
    backup = chosen.backup
    assert (backup.schedule, backup.hour, backup.keep_days) == ("off", 2, 7)
    assert (0 <= backup.weekday <= 6, backup.day) == (True, 1)


def test_of_older_backups_seven_days_four_weeks_and_twelve_months_stay(chosen: Config) -> None:
    """E-54: Tempo's numbers."""
    backup = chosen.backup
    assert (backup.keep_daily, backup.keep_weekly, backup.keep_monthly) == (7, 4, 12)


def test_backups_are_encrypted_or_not_made(chosen: Config, gateway: Gateway) -> None:
    """E-49, E-51: while nobody is named who could read one, none is."""
    assert chosen.backup.encryption == "age"
    visitor = gateway.visitor().sign_in("root")
    said = visitor.fill("/admin/backups", {}, action="/admin/backups/create")
    assert said.status_code == 400, said.text
    assert "backup.recipients" in said.text
    assert gateway.command("backup", "list").strip() == "There are no backups."


def test_backups_are_for_administrators(gateway: Gateway) -> None:
    """E-53."""
    assert gateway.visitor().sign_in("alice").get("/admin/backups").status_code in {403, 404}


def test_a_restore_may_be_tried_three_times_in_a_quarter_of_an_hour(page: Page, gateway: Gateway) -> None:
    """A-33: fewer than Traefik Manager's ten a minute, by address."""
    visitor = gateway.visitor().sign_in("root")
    token = find_form(visitor.get("/admin/backups").text, "/admin/backups/create").fields["csrf_token"]

    def attempt() -> httpx.Response:
        return visitor.post("/admin/backups/restore", {"csrf_token": token, "backup": "none", "token": "x"})

    assert [attempt().status_code for _ in range(RESTORES[0])] == [400] * RESTORES[0], page.name
    check_wait(attempt(), RESTORES)


def test_places_of_sign_ins_are_not_noted_and_nobody_is_asked_about_them(chosen: Config, gateway: Gateway) -> None:
    """D-37, E-57: until an operator names a database; then each person is asked."""
    assert not chosen.locations.database
    assert 'name="locations"' not in gateway.visitor().sign_in("alice").get("/account/profile").text


def test_personal_data_of_the_record_goes_after_a_year(chosen: Config) -> None:
    """E-58: and nothing that is kept is without an end, the record itself apart."""
    kept = chosen.retention
    assert kept.audit_private == timedelta(days=365)
    assert max(kept.sign_ins, kept.decisions, kept.letters, kept.alerts, kept.invites) <= timedelta(days=180)


def test_what_is_told_is_mailed_and_sent_nowhere_else(chosen: Config) -> None:
    """E-55, E-57."""
    assert chosen.alerts.targets == ()
    assert not chosen.audit.checkpoint.is_sent
    assert not chosen.backup.command
    assert not chosen.backup.s3.url
