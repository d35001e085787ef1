"""Outgoing mail, as the configuration knows it."""

from datetime import timedelta
from pathlib import Path

import pytest

from doorward.config.load import parse_config
from doorward.config.mail import Sender
from doorward.config.show import show_config
from doorward.config.values import Secret
from tests.fakes.configured import load, notices_of, problems_of

ON = "host: smtp.example.com, sender: door@example.com"


def about_mail(text: str) -> list[str]:
    return [notice for notice in notices_of(text) if notice.startswith("mail")]


def test_no_mail_is_sent_unless_a_server_is_named() -> None:
    mail = load("").config.mail
    assert (mail.is_on, mail.security, mail.timeout) == (False, "starttls", timedelta(seconds=30))
    assert not about_mail("")


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_the_port_follows_from_how_mail_travels(security: str, port: int) -> None:
    mail = load(f"mail: {{{ON}, security: {security}}}").config.mail
    assert (mail.is_on, mail.effective_port) == (True, port)
    assert load(f"mail: {{{ON}, security: {security}, port: 2525}}").config.mail.effective_port == 2525


@pytest.mark.parametrize(
    ("text", "sender"),
    [
        ("Door@Example.com", Sender("", "door@example.com")),
        ("Example Inc. <door@example.com>", Sender("Example Inc.", "door@example.com")),
        ("<door@example.com>", Sender("", "door@example.com")),
        ("Tür, Büro <door@example.com>", Sender("Tür, Büro", "door@example.com")),
    ],
)
def test_who_mails_are_from_is_an_address_with_or_without_a_name(text: str, sender: Sender) -> None:
    loaded = load(f"mail: {{host: smtp.example.com, from: '{text}'}}")
    assert loaded.config.mail.sender == sender
    again = parse_config(show_config(loaded).encode(), environ={}).config
    assert again.mail == loaded.config.mail


@pytest.mark.parametrize(
    "sender",
    [
        "door",
        "Door door@example.com",
        "A <door@example.com>, B <b@example.com>",
        '"A\\r\\nBcc: b@example.com <door@example.com>"',
        '"door@example.com\\r\\nBcc: b@example.com"',
        "'<>'",
        "5",
    ],
)
def test_nobody_else_can_mails_be_from(sender: str) -> None:
    quoted = sender if sender.startswith(('"', "'")) or sender == "5" else f"'{sender}'"
    (problem,) = problems_of(f"mail: {{host: smtp.example.com, sender: {quoted}}}")
    assert problem.startswith("mail.sender (line 2): ")


def test_a_mail_without_a_sender_is_refused() -> None:
    assert problems_of("mail: {host: smtp.example.com}") == [
        "mail.sender (line 2): a mail must be from somebody -- write Doorward <doorward@example.com>"
    ]


@pytest.mark.parametrize("host", ["'smtp.example.com:587'", "'https://smtp.example.com'", "a b", "5", "'a/b'"])
def test_what_is_no_server_is_refused(host: str) -> None:
    (problem,) = problems_of(f"mail: {{host: {host}, sender: door@example.com}}")
    assert problem.startswith("mail.host (line 2): ")


@pytest.mark.parametrize(
    ("written", "host"), [("'[::1]'", "::1"), ("127.0.0.1", "127.0.0.1"), ("Smtp.Example.com", "smtp.example.com")]
)
def test_a_server_may_be_an_address(written: str, host: str) -> None:
    assert load(f"mail: {{host: {written}, sender: door@example.com}}").config.mail.host == host


def test_the_password_can_stand_in_a_file_and_is_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hunter-of-mails\n")
    file.chmod(0o600)
    loaded = load(f"mail: {{{ON}, username: door, password_file: {file}}}")
    assert loaded.config.mail.password == Secret("hunter-of-mails")
    assert "hunter" not in show_config(loaded)
    by_variable = load(f"mail: {{{ON}, username: door}}", DOORWARD__MAIL__PASSWORD_FILE=str(file))
    assert by_variable.config.mail.password == loaded.config.mail.password


@pytest.mark.parametrize(
    ("keys", "place", "words"),
    [
        ("username: door", "mail.password", "no password"),
        ("password: hunter", "mail.username", "no user name"),
        ("username: door, password: hunter, security: none", "mail.security", "travel readably"),
        ("timeout: 2m", "mail.timeout", "at most 90s"),
        ("port: 0", "mail.port", "too low"),
        ("security: ssl", "mail.security", "not known here"),
        ("ca_file: /does/not/exist", "mail.ca_file", "cannot be read"),
    ],
)
def test_what_cannot_work_is_refused(keys: str, place: str, words: str) -> None:
    (problem,) = problems_of(f"mail: {{{ON}, {keys}}}")
    assert problem.startswith(f"{place} (line 2): ")
    assert words in problem


def test_a_password_stays_on_this_machine_without_encryption() -> None:
    text = "mail: {host: 127.0.0.1, sender: door@example.com, username: door, password: hunter, security: none}"
    assert not about_mail(text)


def test_mail_that_travels_readably_is_a_danger() -> None:
    (notice,) = about_mail(f"mail: {{{ON}, security: none}}")
    assert "DANGER: links that open accounts travel readably to smtp.example.com" in notice


def test_settings_of_mail_without_a_server_are_noted() -> None:
    (notice,) = about_mail("mail: {sender: door@example.com}")
    assert "mail.host is not set" in notice


def test_certificates_that_are_never_looked_at_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    text = f"mail: {{host: localhost, sender: door@example.com, ca_file: {path}, security: "
    assert not about_mail(f"{text}tls}}")
    (notice,) = about_mail(f"{text}none}}")
    assert notice.startswith("mail.ca_file (line 2): it has no effect")
