"""Whose account it is that a provider speaks of: nobody's by an address, a name or a resemblance (H, T-06, C-25, D-07)."""

from typing import Any

import pytest

from tests.attacks.abroad import Scene, is_refusal
from tests.attacks.stage import ALICE, DORA, ROOT, Browser, Person, handed_out
from tests.attacks.wire import Answer

TRUTHS = [False, None, "false", "true", "True", 1, 0, "1", [True], {"is": True}, "yes", 1.0]
"""What is not `true`, whatever it looks like."""


def id_of(scene: Scene, person: Person) -> str:
    """The id of an account by its name."""
    return str(scene.stage.query("SELECT id FROM users WHERE name = ?", person.name)[0][0])


def account(scene: Scene, browser: Browser) -> tuple[str, str, bool]:
    """Name, address and administration of whoever is signed in here."""
    [found] = scene.stage.query("SELECT name, email, is_admin FROM users WHERE id = ?", scene.user_of(browser))
    return found


def is_somebody_new(scene: Scene, answer: Answer, browser: Browser) -> bool:
    """Whether an account was made that has nothing of anybody who was here before."""
    if not handed_out(answer):
        return False
    others = {person.email for person in scene.stage.people.values()}
    name, email, is_admin = account(scene, browser)
    return email not in others and name not in scene.stage.people and not is_admin


# By an address


@pytest.mark.parametrize("verified", TRUTHS, ids=repr)
@pytest.mark.parametrize("apart", [False, True], ids=["ID token", "userinfo"])
def test_an_address_that_is_not_verified_is_nobodys(scene: Scene, verified: Any, apart: bool) -> None:
    """H08, T-08: neither does it lead to the account that has it, nor does it get into another."""
    browser, name = scene.stage.browser(), scene.newcomer(email=ROOT.email, email_verified=verified)
    with scene.saying(apart=apart):
        answer = scene.sign_in(browser, name)
    assert is_somebody_new(scene, answer, browser)
    assert account(scene, browser)[1] == ""
    # Where the operator has accounts found by address, too.
    name = scene.newcomer(provider="matching", email=ROOT.email, email_verified=verified)
    with scene.nothing_happens(asks=True, provider="matching"), scene.saying("matching", apart=apart):
        assert is_refusal(scene.sign_in(scene.stage.browser(), name, "matching"), 403)


@pytest.mark.parametrize("person", [ROOT, ALICE, DORA], ids=lambda person: person.name)
@pytest.mark.parametrize("provider", ["idp", "other", "closed"])
def test_a_verified_address_of_somebody_here_opens_nothing(scene: Scene, person: Person, provider: str) -> None:
    """H08, H23: it would have to be connected by whoever is signed in."""
    name = scene.newcomer(provider=provider, email=person.email)
    with scene.nothing_happens(asks=True, provider=provider):
        assert is_refusal(scene.sign_in(scene.stage.browser(), name, provider), 403)


SPELLINGS = [
    "ROOT@EXAMPLE.TEST", "root@Example.test", " root@example.test", "root@example.test ", "root@example.test\n", "root@example.test\0",
    "root@example.test.", "root@@example.test", "root@evil.test@example.test", '"root"@example.test', "root(x)@example.test",
    "root+x@example.test", "root@example.test,root@evil.test", "rооt@example.test", "root@еxample.test", "root＠example.test",
    "ſoot@example.test", "root@[127.0.0.1]", "root@xn--example.test", "root%00@example.test", "", "@", "a" * 300 + "@example.test",
]  # fmt: skip


@pytest.mark.parametrize("email", [*SPELLINGS, 1, [ROOT.email], {"x": ROOT.email}], ids=repr)
def test_no_spelling_of_an_address_leads_to_its_owner(scene: Scene, email: Any) -> None:
    """H08: either it is the same address, which is taken, or it is another's, or none at all."""
    browser, name = scene.stage.browser(), scene.newcomer(email=email)
    answer = scene.sign_in(browser, name)
    assert is_refusal(answer, 403, 502) or is_somebody_new(scene, answer, browser)
    [(count,)] = scene.stage.query("SELECT count(*) FROM users WHERE lower(trim(email)) = ?", ROOT.email)
    assert count == 1
    name = scene.newcomer(provider="matching", email=email)
    browser = scene.stage.browser()
    answer = scene.sign_in(browser, name, "matching")
    # By now somebody may have the other address, too; nobody is found by one that is not theirs to the letter.
    assert is_refusal(answer, 403, 502) or account(scene, browser)[1] == email.strip(" ").lower()
    scene.stage.change("DELETE FROM identities WHERE issuer = ?", scene.issuer_of("matching"))


def test_where_addresses_count_they_count_once(scene: Scene) -> None:
    """H08: the first with it is its owner; who has the address there later is somebody else, and a disabled one nobody."""
    guest = scene.stage.newcomer("users")
    first = scene.newcomer(provider="matching", email=guest.email)
    second = scene.newcomer(provider="matching", email=guest.email)
    disabled = scene.newcomer(provider="matching", email=DORA.email)
    browser = scene.stage.browser()
    assert handed_out(scene.sign_in(browser, first, "matching"))
    assert scene.user_of(browser) == id_of(scene, guest)
    for name in (second, disabled):
        with scene.nothing_happens(asks=True, provider="matching"):
            assert is_refusal(scene.sign_in(scene.stage.browser(), name, "matching"), 403)
    # An address that goes over to another there changes nothing here.
    users = scene.fakes["matching"].users
    users[first]["email"], users[second]["email"] = "moved@there.test", guest.email
    again = scene.stage.browser()
    assert handed_out(scene.sign_in(again, first, "matching"))
    assert scene.user_of(again) == id_of(scene, guest)
    assert account(scene, again)[1] == guest.email


def test_addresses_that_two_people_swap_swap_nothing_else(scene: Scene) -> None:
    """H08: everybody keeps their account."""
    names = [scene.newcomer(), scene.newcomer()]
    before = [scene.user_of(scene.signed_in(name)) for name in names]
    users = scene.idp.users
    users[names[0]]["email"], users[names[1]]["email"] = users[names[1]]["email"], users[names[0]]["email"]
    assert [scene.user_of(scene.signed_in(name)) for name in names] == before
    [(count,)] = scene.stage.query(
        "SELECT count(*) FROM users WHERE email IN (?, ?)", *(users[name]["email"] for name in names)
    )
    assert count <= 2


@pytest.mark.parametrize(
    ("in_token", "in_userinfo"),
    [
        ({"email_verified": True}, {"email_verified": None}),
        ({"email_verified": True}, {"email_verified": False}),
        ({"email_verified": False}, {"email_verified": True}),
        ({"email": ALICE.email}, {"email": None, "email_verified": True}),
        ({"email": ALICE.email, "email_verified": False}, {"email_verified": True}),
        ({"email": ALICE.email}, {"email": "x@there.test", "email_verified": True}),
        ({"email": "x@there.test", "email_verified": True}, {"email": ALICE.email, "email_verified": None}),
    ],
    ids=str,
)
def test_an_address_and_its_verification_come_from_one_place(
    scene: Scene, in_token: dict[str, Any], in_userinfo: dict[str, Any]
) -> None:
    """H09: half of it from the ID token and half from userinfo is nothing, whichever half."""
    name = scene.newcomer(provider="matching", email=ALICE.email, email_verified=None)
    with scene.saying("matching", apart=True, **in_token), scene.nothing_happens(asks=True, provider="matching"):
        scene.fakes["matching"].userinfo = in_userinfo
        assert is_refusal(scene.sign_in(scene.stage.browser(), name, "matching"), 403)


# By a subject or a name


def test_a_subject_is_compared_byte_for_byte_and_by_issuer(scene: Scene) -> None:
    """H11, H08: case, spaces, composition and length make another person; another issuer, too."""
    sub = "Stranger-é".encode().hex() + "-a"
    subs = [
        sub,
        sub.upper(),
        f"{sub} ",
        f" {sub}",
        sub[:-1],
        f"{sub}a",
        f"{sub}%00",
        f"{sub}'",
        sub + "a" * 200,
        "0",
        "-1",
        "null",
    ]
    seen = set()
    for each in subs:
        name = scene.newcomer(sub=each, email_verified=False)
        browser = scene.signed_in(name)
        seen.add(scene.user_of(browser))
        assert scene.user_of(scene.signed_in(name)) == scene.user_of(browser)
    name = scene.newcomer(provider="other", sub=sub, email_verified=False)
    seen.add(scene.user_of(scene.signed_in(name, "other")))
    assert len(seen) == len(subs) + 1


NAMES = [
    "root", "ROOT", "Root", " root", "root ", "root\0", "roоt", "root\u200b", "ｒｏｏｔ", "alice", "admin", "administrator", "system", "anonymous",
    "unknown", "root@example.test", "", ".", "..", "-", "../../etc/passwd", "<script>", "a" * 500, "\u202eroot", "root\r\nx: y", "{{7*7}}",
]  # fmt: skip


@pytest.mark.parametrize("wish", [*NAMES, 1, ["root"], None, True], ids=repr)
def test_a_name_there_is_a_wish_and_nothing_more(scene: Scene, wish: Any) -> None:
    """H08, H11, C02: nobody becomes somebody by calling themselves so; what no name can be is not one."""
    name = scene.newcomer(preferred_username=wish, nickname=wish, name=wish)
    browser = scene.stage.browser()
    answer = scene.sign_in(browser, name)
    assert is_somebody_new(scene, answer, browser) or is_refusal(answer, 502)
    if handed_out(answer):
        assert browser.get("/account").status == 200
        assert browser.get("/").status == 200
        check = scene.stage.ask("traefik", cookie=browser.cookie())
        assert check.status == 200
        assert scene.stage.ask("traefik", host=b"admin.example.test", cookie=browser.cookie()).status == 403


def test_who_is_unknown_stays_so_where_nobody_is_let_in(scene: Scene) -> None:
    """H23: 403 and no row, however often, and whatever is said about them."""
    for claims in ({}, {"groups": ["admin"]}, {"roles": "ruler"}, {"email": ""}, {"preferred_username": ALICE.name}):
        name = scene.newcomer(provider="closed", **claims)
        for _ in range(2):
            with scene.nothing_happens(asks=True, provider="closed"):
                assert is_refusal(scene.sign_in(scene.stage.browser(), name, "closed"), 403)


# What comes with it


@pytest.mark.parametrize(
    "claims",
    [
        {"roles": "Ruler"},
        {"roles": "ruler "},
        {"roles": ["rulers", "RULER"]},
        {"roles": True},
        {"roles": {"x": "ruler"}},
        {"roles": [["ruler"]]},
        {"role": "ruler"},
        {"admin": True, "is_admin": True, "groups": ["ruler", "administrators"]},
    ],
    ids=str,
)
def test_nobody_administers_but_by_the_exact_word(scene: Scene, claims: dict[str, Any]) -> None:
    """D-07: administration by an explicit value, and by nothing that is like it."""
    browser = scene.stage.browser()
    assert is_somebody_new(scene, scene.sign_in(browser, scene.newcomer(**claims)), browser)
    assert browser.get("/admin/sessions").status == 403
    assert scene.stage.query("SELECT is_admin FROM identities WHERE user_id = ?", scene.user_of(browser)) == [(0,)]


def test_a_right_that_is_gone_there_ends_what_was_begun_with_it(scene: Scene) -> None:
    """J04, T-06, H27: at the next sign-in, in every browser, at the next request."""
    name = scene.newcomer(roles=["ruler"], groups=["admin"])
    first = scene.signed_in(name)
    assert first.get("/admin/sessions").status == 200
    assert scene.stage.ask("traefik", host=b"admin.example.test", cookie=first.cookie()).status == 200
    scene.idp.users[name] |= {"roles": [], "groups": ["users"]}
    second = scene.signed_in(name)
    scene.stage.live.pop(first.jar["doorward"].encode())
    assert scene.stage.ask("traefik", cookie=first.cookie()).status != 200
    assert first.get("/sessions").status == 303
    assert second.get("/admin/sessions").status == 403
    assert scene.stage.ask("traefik", cookie=second.cookie()).status == 200
    assert scene.stage.ask("traefik", host=b"admin.example.test", cookie=second.cookie()).status == 403


def test_groups_of_any_shape_stay_groups(scene: Scene) -> None:
    """C04, I10: separators, line ends, numbers, ten thousand of them."""
    shapes: list[Any] = [
        ["a,b", "x\r\nRemote-User: root", "<b>", "", " admin", "admin ", "a" * 300, 1, None, ["admin"], "ok"],
        "admin,users", {"admin": {}, "ok": 1}, [f"g{number}" for number in range(3000)], 7, [[]], "x\0y", "ADMIN;x",
    ]  # fmt: skip
    for shape in shapes:
        browser = scene.signed_in(scene.newcomer(groups=shape))
        check = scene.stage.ask("traefik", cookie=browser.cookie())
        assert check.status == 200
        groups = check.one("x-forwarded-user-groups").decode()
        assert "Remote-User" not in groups
        assert all(part.isascii() and part.isprintable() for part in groups.split(","))
        assert len(groups) < 16_384


def test_a_provider_is_one_factor_unless_its_word_on_the_second_counts(scene: Scene) -> None:
    """T-08: what asks for two is not opened by saying so."""
    browser = scene.signed_in(scene.newcomer(amr=["pwd", "otp", "mfa", "hwk"], acr="urn:two"))
    assert scene.stage.ask("traefik", cookie=browser.cookie()).status == 200
    assert scene.stage.ask("traefik", host=b"two.example.test", cookie=browser.cookie()).status in {401, 403}


def test_who_is_disabled_here_is_so_by_every_way(scene: Scene) -> None:
    """E25, T-06: at once, and at the next sign-in; until they are enabled again."""
    name = scene.newcomer()
    browser = scene.signed_in(name)
    user = account(scene, browser)[0]
    scene.stage.command("user", "disable", user)
    scene.stage.live.pop(browser.jar["doorward"].encode())
    assert scene.stage.ask("traefik", cookie=browser.cookie()).status != 200
    with scene.nothing_happens(asks=True):
        assert is_refusal(scene.sign_in(scene.stage.browser(), name), 403)
    scene.stage.command("user", "enable", user)
    assert scene.stage.ask("traefik", cookie=browser.cookie()).status != 200
    assert handed_out(scene.sign_in(scene.stage.browser(), name))
