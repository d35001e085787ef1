"""The console of providers: shown, added, changed, tried out and switched, by administrators who are really there."""

import re
from datetime import timedelta

import pytest

from doorward.flows.admin import CLI
from doorward.rules.oidc import Failure, Finding, Health, UpstreamError
from doorward.rules.provider import ALGORITHMS, Kind, Provider
from doorward.rules.provider_form import FLAGS, format_fields
from doorward.web.pages.provider_form import DEFAULTS, fill, find_unshown
from tests.fakes.door import Answer, Browser, Door
from tests.fakes.upstream import a_provider

HOME = "https://auth.example.test"
LIST = "/admin/providers"
ZITADEL = {
    "type": "oidc",
    "name": "Zitadel",
    "icon": "zitadel",
    "issuer_url": "https://zitadel.example.test",
    "client_id": "2931@doorward",
    "client_secret": "s3cr3t-of-zitadel",
    "allowed_domains": "example.test\r\nother.test\r\n",
    "logout": "on",
}
LATER = timedelta(minutes=20)


@pytest.fixture
async def door() -> Door:
    door = Door()
    await door.add_user("alice")
    await door.add_user("root", admin=True)
    return door


@pytest.fixture
async def root(door: Door) -> Browser:
    browser = Browser(door)
    assert (await browser.sign_in("root")).status == 303
    return browser


async def add(browser: Browser, **changes: str) -> Answer:
    page = await browser.get(f"{LIST}/new?type={changes.get('type', 'oidc')}")
    return await browser.press(f"{LIST}/new", page, **{"id": "zitadel", **ZITADEL, **changes})


async def stored(door: Door) -> Provider:
    (listed,) = [each for each in await door.flows.providers.list(CLI) if not each.provider.from_file]
    return listed.provider


async def test_an_empty_console_says_what_there_could_be(root: Browser) -> None:
    page = await root.get(LIST)
    assert "No provider yet" in page.text
    for kind in ("oidc", "google", "github"):
        assert f'href="/admin/providers/new?type={kind}"' in page.text
    assert 'aria-current="page">Providers' in page.text


async def test_those_of_the_file_are_shown_and_not_changed(door: Door, root: Browser) -> None:
    door.add_provider("idp", groups_claim="realm_access.roles", trust_mfa=True)
    door.add_provider("google", enabled=False)
    page = await root.get(LIST)
    assert page.text.count("from the configuration file") == 2
    assert ">enabled</span>" in page.text
    assert ">disabled</span>" in page.text
    assert 'action="/admin/providers/disable"' not in page.text
    look = await root.get(f"{LIST}/edit/idp")
    assert "stands in the configuration file" in look.text
    assert f"{HOME}/login/callback/idp" in look.text
    assert "realm_access.roles" in look.text
    assert "whatever the provider offers" in look.text
    assert 'action="/admin/providers/edit/idp"' not in look.text
    assert "s3cret" not in look.text
    for act in ("disable", "enable", "remove"):
        assert (await root.press(f"{LIST}/{act}", page, provider="idp")).status == 404
    assert (await root.press(f"{LIST}/edit/idp", page, **ZITADEL)).status == 404


@pytest.mark.parametrize("kind", ["oidc", "google", "github"])
async def test_the_form_says_what_to_register_before_anything_is_saved(root: Browser, kind: str) -> None:
    page = await root.get(f"{LIST}/new?type={kind}")
    name = {"oidc": "…"}.get(kind, kind)
    assert f'data-follows="id">{HOME}/login/callback/{name}</dd>' in page.text
    assert ("Back-channel logout" in page.text) == (kind == "oidc")
    assert ('name="issuer_url"' in page.text) == (kind == "oidc")
    assert page.text.count("<details") == 1


async def test_a_provider_is_added_tested_enabled_and_used(door: Door, root: Browser) -> None:
    answer = await add(root)
    assert answer.location == f"{HOME}{LIST}/edit/zitadel?done=added"
    page = await root.get(f"{LIST}/edit/zitadel?done=added")
    assert "Added, and switched off for now." in page.text
    assert f"{HOME}/login/callback/zitadel</dd>" in page.text
    assert "Continue with Zitadel" not in (await Browser(door).get("/login")).text
    provider = await stored(door)
    assert provider.client_secret == "s3cr3t-of-zitadel"
    assert provider.allowed_domains == {"example.test", "other.test"}
    assert (provider.logout, provider.auto_provision, provider.enabled) == (True, False, False)
    tested = await root.press(f"{LIST}/test", page, provider="zitadel")
    assert (tested.status, "It answers." in tested.text) == (200, True)
    answer = await root.press(f"{LIST}/enable", page, provider="zitadel")
    assert answer.location == f"{HOME}{LIST}?done=enabled"
    assert "Continue with Zitadel" in (await Browser(door).get("/login")).text
    assert (await Browser(door).leave_with("zitadel")).onward.startswith("https://zitadel.example.test/")
    answer = await root.press(f"{LIST}/disable", page, provider="zitadel")
    assert answer.location == f"{HOME}{LIST}?done=disabled"
    assert "Nobody can sign in with it" in (await root.get(f"{LIST}?done=disabled")).text
    answer = await root.press(f"{LIST}/remove", page, provider="zitadel")
    assert answer.location == f"{HOME}{LIST}?done=removed"
    assert "No provider yet" in (await root.get(LIST)).text
    assert (await root.get(f"{LIST}/edit/zitadel")).status == 404


async def test_no_secret_comes_back_and_an_empty_one_keeps_what_is_there(door: Door, root: Browser) -> None:
    await add(root)
    page = await root.get(f"{LIST}/edit/zitadel")
    assert "s3cr3t" not in page.text
    assert "Leave it empty to keep the present one." in page.text
    changed = {**ZITADEL, "name": "The company", "client_secret": ""}
    answer = await root.press(f"{LIST}/edit/zitadel", page, **changed)
    assert answer.location == f"{HOME}{LIST}?done=changed"
    provider = await stored(door)
    assert (provider.name, provider.client_secret) == ("The company", "s3cr3t-of-zitadel")
    wrong = await root.press(f"{LIST}/edit/zitadel", page, **{**changed, "client_id": "", "client_secret": "typed"})
    assert wrong.status == 400
    assert "typed" not in wrong.text
    assert 'value="The company"' in wrong.text
    moved = {**changed, "issuer_url": "https://evil.test"}
    answer = await root.press(f"{LIST}/edit/zitadel", page, **moved)
    assert answer.status == 400
    assert "give this again" in answer.text


async def test_everything_that_does_not_fit_is_said_at_once_beside_its_field(root: Browser) -> None:
    answer = await add(root, id="My IdP", issuer_url="zitadel", client_id="", max_age="soon", redirect_url="/elsewhere")
    assert answer.status == 400
    assert "<title>Problem: " in answer.text
    assert "Nothing was saved." in answer.text
    for name in ("id", "issuer_url", "client_id", "max_age", "redirect_url"):
        assert f'id="{name}-wrong"' in answer.text
        assert re.search(rf'id="{name}"[^>]*aria-describedby="{name}-wrong[^"]*" aria-invalid="true"', answer.text), (
            name
        )
    # What is folded is opened where something in it is wrong.
    assert "<details" not in answer.text
    assert f"{HOME}/login/callback/…" in answer.text
    for sentence in re.findall(r'class="wrong"[^>]*>([^<]*)<', answer.text):
        assert not sentence[0].islower()
        assert sentence.endswith(".")


async def test_a_mistake_is_told_in_the_forms_words_and_not_in_the_files(root: Browser) -> None:
    answer = await add(root, client_secret="")
    assert "where the provider gives none, set “How we prove who we are” to none." in answer.text
    answer = await add(root, admin_value="masters")
    assert "“Claim that makes administrators” and “… when it holds” go together." in answer.text


async def test_a_name_that_is_taken_is_said_at_its_field(door: Door, root: Browser) -> None:
    await add(root)
    answer = await add(root)
    assert answer.status == 400
    assert "There is a provider of this name already." in answer.text
    door.add_provider("idp")
    assert "There is a provider of this name already." in (await add(root, id="idp")).text


async def test_what_is_wrong_beside_the_form_is_said_above_it(root: Browser) -> None:
    answer = await add(root, type="github", id="github", trust_mfa="on", issuer_url="")
    assert answer.status == 400
    assert "trust_mfa: " in answer.text


async def test_several_things_wrong_with_one_field_are_all_said() -> None:
    wrong = {"groups_claim": "A. B."}
    groups = fill(Kind.OIDC, {}, wrong, new=False)
    assert [each.wrong for group in groups for each in group.fields if each.wrong] == ["A. B."]
    assert find_unshown(Kind.OIDC, wrong, new=False) == []
    assert find_unshown(Kind.GITHUB, wrong, new=False) == ["groups_claim: A. B."]
    assert find_unshown(Kind.GITHUB, {"id": "x"}, new=False) == ["id: x"]
    assert find_unshown(Kind.GITHUB, {"id": "x"}, new=True) == []


def test_the_form_has_a_field_for_everything_that_can_be_set() -> None:
    full = format_fields(a_provider()).keys() | set(FLAGS) | {"id"}
    asked = {each.field.name for group in fill(Kind.OIDC, {}, {}, new=True) for each in group.fields}
    assert asked | {"type"} == full
    for kind in Kind:
        names = [each.field.name for group in fill(kind, {}, {}, new=True) for each in group.fields]
        assert len(names) == len(set(names))
        assert DEFAULTS[kind].keys() <= set(names)
    (hint,) = [
        each.field.hint for group in fill(Kind.OIDC, {}, {}, new=True) for each in group.fields if each.field.name == "algorithms"
    ]  # fmt: skip
    assert all(algorithm in hint for algorithm in ALGORITHMS)


async def test_what_the_test_finds_is_said_in_plain_words(door: Door, root: Browser) -> None:
    door.add_provider("idp")
    door.town.upstream.findings = [
        Finding("Discovery", Health.GOOD, "It answers."),
        Finding("Clock", Health.UNSURE, "It is 42 seconds ahead.", "Up to a minute is tolerated."),
        Finding("Client", Health.BAD, "It said: <b>invalid_client</b>", "Copy the secret again."),
    ]
    page = await root.get(LIST)
    answer = await root.press(f"{LIST}/test", page, provider="idp")
    assert answer.status == 200
    assert re.findall(r"finding finding-(\w+)", answer.text)[:3] == ["good", "unsure", "bad"]
    for words in (
        "Up to a minute is tolerated.",
        "Copy the secret again.",
        "&lt;b&gt;invalid_client",
        f"{HOME}/login/callback/idp",
    ):
        assert words in answer.text
    assert (await root.press(f"{LIST}/test", page, provider="nobody")).status == 404


async def test_trouble_and_what_does_not_count_are_shown(door: Door, root: Browser) -> None:
    await add(root)
    door.add_provider("idp")
    door.add_provider("zitadel", name="From the file")
    door.town.upstream.failing["idp"] = UpstreamError(Failure.UNREACHABLE, "It does not answer.")
    page = await root.get(LIST)
    assert "It does not answer." in page.text
    assert ">not used</span>" in page.text
    assert "which counts instead" in page.text


async def test_passwords_are_switched_and_it_is_said_why_they_are_still_open(door: Door, root: Browser) -> None:
    """D-12, A-28."""
    door.add_provider("idp")
    page = await root.get(LIST)
    assert "The configuration file says so" in page.text
    assert ">open</span>" in page.text
    answer = await root.press(f"{LIST}/passwords", page, wanted="off")
    assert answer.location == f"{HOME}{LIST}?done=passwords"
    page = await root.get(LIST)
    assert "it closes as soon as an administrator has signed in" in page.text
    assert ">open</span>" in page.text
    assert "Switch passwords on" in page.text
    await root.connect("idp", "idp-root")
    assert (await Browser(door).enter_with("idp", "idp-root")).status == 303
    page = await root.get(LIST)
    assert ">closed</span>" in page.text
    assert "Let the configuration file decide" in page.text
    await root.press(f"{LIST}/passwords", page, wanted="file")
    assert "The configuration file says so" in (await root.get(LIST)).text
    await root.press(f"{LIST}/passwords", page, wanted="on")
    assert "on the command line" in (await root.get(LIST)).text
    assert (await root.press(f"{LIST}/passwords", page, wanted="maybe")).status == 400


async def test_the_last_way_in_is_not_switched_off(door: Door, root: Browser) -> None:
    """D-12."""
    await add(root)
    page = await root.get(LIST)
    await root.press(f"{LIST}/enable", page, provider="zitadel")
    await door.close_passwords("zitadel")
    for act in ("disable", "remove"):
        answer = await root.press(f"{LIST}/{act}", page, provider="zitadel")
        assert answer.location == f"{HOME}{LIST}?done=passwords_closed"
    elsewhere = {**ZITADEL, "issuer_url": "https://elsewhere.example.test"}
    answer = await root.press(f"{LIST}/edit/zitadel", page, **elsewhere)
    assert answer.location == f"{HOME}{LIST}?done=passwords_closed"
    assert "switch passwords on first" in (await root.get(f"{LIST}?done=passwords_closed")).text
    assert (await stored(door)).enabled


ACTS = ["new", "edit/zitadel", "test", "enable", "disable", "remove", "passwords"]


@pytest.mark.parametrize("act", ACTS)
async def test_nobody_but_an_administrator_acts(door: Door, root: Browser, act: str) -> None:
    await add(root)
    alice, stranger = Browser(door), Browser(door)
    await alice.sign_in("alice")
    page = await alice.get("/account")
    fields = {**ZITADEL, "id": "other", "provider": "zitadel", "wanted": "off"}
    assert (await alice.press(f"{LIST}/{act}", page, **fields)).status == 403
    assert "/login?rd=" in (await stranger.post(f"{LIST}/{act}", fields)).location
    assert (await root.post(f"{LIST}/{act}", fields)).status == 403
    assert len(await door.flows.providers.list(CLI)) == 1


@pytest.mark.parametrize("path", ["", "/new", "/edit/zitadel"])
async def test_nobody_but_an_administrator_looks(door: Door, root: Browser, path: str) -> None:
    await add(root)
    alice = Browser(door)
    await alice.sign_in("alice")
    assert (await alice.get(LIST + path)).status == 403
    assert "/login?rd=" in (await Browser(door).get(LIST + path)).location


@pytest.mark.parametrize("act", ["new", "edit/zitadel", "enable", "disable", "remove", "passwords"])
async def test_what_changes_something_asks_who_it_is_first(door: Door, root: Browser, act: str) -> None:
    await add(root)
    page = await root.get(LIST)
    before = await stored(door)
    door.clock.advance(LATER)
    fields = {**ZITADEL, "name": "Changed", "id": "other", "provider": "zitadel", "wanted": "off"}
    answer = await root.press(f"{LIST}/{act}", page, **fields)
    assert "/login?confirm=1&rd=" in answer.location
    assert await stored(door) == before
    assert (await door.flows.ways.describe_password()).wanted


async def test_a_form_is_opened_only_while_there_is_time_to_fill_it_in(door: Door, root: Browser) -> None:
    await add(root)
    door.clock.advance(timedelta(minutes=6))
    for path in (f"{LIST}/new?type=google", f"{LIST}/edit/zitadel"):
        assert "/login?confirm=1&rd=" in (await root.get(path)).location
    # What is only shown, and the list, need none of that.
    assert (await root.get(f"{LIST}/edit/zitadel?done=added")).status == 200
    door.add_provider("idp")
    assert (await root.get(f"{LIST}/edit/idp")).status == 200
    assert (await root.get(LIST)).status == 200
    page = await root.get(f"{LIST}/edit/zitadel?done=added")
    answer = await root.press(f"{LIST}/edit/zitadel", page, **ZITADEL)
    assert answer.location == f"{HOME}{LIST}?done=changed"


@pytest.mark.parametrize("path", ["/new?type=saml", "/edit/nobody", "/edit/", "/edit/A", "/edit/a/b", "/nothing"])
async def test_what_is_not_there_is_not_there(root: Browser, path: str) -> None:
    assert (await root.get(LIST + path)).status == (400 if "saml" in path else 404)


async def test_a_kind_that_nobody_knows_is_refused(root: Browser) -> None:
    page = await root.get(f"{LIST}/new?type=google")
    assert (await root.press(f"{LIST}/new", page, **{**ZITADEL, "type": "saml"})).status == 400
