"""What people call themselves, made canonical or refused, in a time that does not grow with what they send."""

import pytest

from doorward.errors import InputError
from doorward.rules.names import (
    clean_text,
    parse_display_name,
    parse_email,
    parse_group_name,
    parse_login,
    parse_user_name,
    read_user_name,
)

HUGE = "a" + "\u0301\u0316" * 50_000


@pytest.mark.parametrize(
    ("text", "name"),
    [("alice", "alice"), (" Alice ", "alice"), ("a", "a"), ("a.b_c-9", "a.b_c-9"), ("A" * 64, "a" * 64)],
)
def test_a_user_name_has_one_canonical_form(text, name):
    assert parse_user_name(text) == name
    assert parse_user_name(name) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a" * 65,
        ".alice",
        "alice-",
        "al ice",
        "alice@example.test",
        "alice\n",
        "alice\0x",
        "a%",
        "\u0430dmin",
        "adm\u0131n",
        "\uff41dmin",
        "ro\u043et",
        "\u212aate",
        "\ufb00",
        "alice\u200b",
        "alice\u202e",
        "\ud800",
        "A" * 2_000,
        HUGE,
    ],
)
def test_a_user_name_that_could_be_mistaken_is_refused(text):
    """Nothing folds into ASCII, for nothing but ASCII is taken (E16, E17)."""
    with pytest.raises(InputError):
        parse_user_name(text)


@pytest.mark.parametrize("text", ["cli", "system", "anonymous", "unknown", " System "])
def test_nobody_new_is_called_like_nobody_and_who_is_already_still_signs_in(text):
    with pytest.raises(InputError, match="choose another"):
        parse_user_name(text)
    assert read_user_name(text) == parse_login(text) == text.strip().lower()


@pytest.mark.parametrize("text", ["staff", "a", "Admins:EU/1", "x@y.z", "a" * 64])
def test_a_group_name_stays_as_written(text):
    assert parse_group_name(text) == text


@pytest.mark.parametrize(
    "text", ["", "a" * 65, "a,b", "a b", "a;b", "a|b", "-a", "a\n", "ä", "\ud800", "é" * 600, HUGE]
)
def test_a_group_name_that_could_split_a_header_is_refused(text):
    """C04."""
    with pytest.raises(InputError):
        parse_group_name(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("a@example.test", "a@example.test"),
        (" Alice.B+tag@EXAMPLE.Test ", "alice.b+tag@example.test"),
        ("a@localhost", "a@localhost"),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        ("x" * 64 + "@example.test", "x" * 64 + "@example.test"),
    ],
)
def test_an_address_is_kept_in_lower_case(text, address):
    assert parse_email(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "@example.test",
        "a@",
        "evil@evil.test@example.test",
        '"a@example.test"@evil.test',
        "a\uff20example.test@evil.test",
        "a\uff20example.test",
        "a@example.test\n",
        "a@evil.test (x@example.test)",
        "a..b@example.test",
        ".a@example.test",
        "a@-example.test",
        "a@example..test",
        "a@example.test.",
        "a@ex_ample.test",
        "x" * 65 + "@example.test",
        "a@" + "x" * 64 + ".test",
        "a@" + "x." * 130 + "test",
        "a@[192.0.2.1]",
        "\ud800@example.test",
        HUGE + "@example.test",
    ],
)
def test_an_address_that_two_readers_would_read_apart_is_refused(text):
    """Exactly one ASCII @, strict ASCII parts (E19)."""
    with pytest.raises(InputError):
        parse_email(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Alice", "Alice"),
        ("  Zoë  ", "Zoë"),
        ("Zoe\u0308", "Zoë"),
        ("山田 太郎", "山田 太郎"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("نمی\u200cشود", "نمی\u200cشود"),
        ("x" * 128, "x" * 128),
    ],
)
def test_a_display_name_may_be_of_any_script(text, name):
    """C02."""
    assert parse_display_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "x" * 129,
        "a\nb",
        "a\r\nX-Evil: 1",
        "a\0",
        "a\u200bb",
        "a\u202eb",
        "a\u2028b",
        "a\ue000b",
        "\u200d",
        "\u200c\u200d",
        "\ud800",
        HUGE,
    ],
)
def test_a_display_name_that_hides_something_is_refused(text):
    """C01, E17."""
    with pytest.raises(InputError):
        parse_display_name(text)


@pytest.mark.parametrize(
    ("text", "login"),
    [
        ("alice", "alice"),
        ("Alice", "alice"),
        ("ALICE ", "alice"),
        ("Alice@Example.test", "alice@example.test"),
        ("alice\0", None),
        ("alice\u200b", None),
        ("\uff41lice", None),
        ("al ice", None),
        ("a@b@c", None),
        ("", None),
        ("a" * 255, None),
        (HUGE, None),
    ],
)
def test_spellings_of_one_login_are_one_login_or_none(text, login):
    """E04."""
    assert parse_login(text) == login


def test_text_of_a_stranger_is_made_fit_to_show():
    """J19."""
    assert clean_text("Mozilla/5.0 (Ünï)", 512) == "Mozilla/5.0 (Ünï)"
    assert clean_text("a\r\nb\0\u202e\ud800c", 512) == "a\ufffd\ufffdb\ufffd\ufffd\ufffdc"
    assert clean_text("x" * 70_000, 512) == "x" * 512
