"""Making, seeing and taking back keys through the API: one's own, access tokens, and for administrators everybody's."""

from datetime import timedelta
from typing import Any

import pytest

from doorward.rules.app_key import ApiScope, KeyId, parse_key
from doorward.rules.mfa import MfaRequired, MfaTerms
from doorward.web.api.application import build_api
from doorward.web.api.parts import ApiParts
from tests.fakes.api import TOKENS, Program, code_told, give_key, open_api, told
from tests.fakes.door import Browser, Door
from tests.fakes.second import give_totp

OWN = "/api/v1/account/keys"
ALL = "/api/v1/app-keys"
WISH = {"name": "Phone", "scopes": ["read"]}


@pytest.fixture
async def door() -> Door:
    """With root, who administers, alice and bob."""
    made = open_api(Door())
    for name in ("root", "alice", "bob"):
        await made.add_user(name, admin=name == "root")
    return made


@pytest.fixture
async def alice(door: Door) -> Program:
    """Signed in a moment ago."""
    return await Program.enter(door, "alice")


@pytest.fixture
async def root(door: Door) -> Program:
    """Signed in a moment ago."""
    return await Program.enter(door, "root")


async def whose(door: Door, text: str, **headers: str) -> Any:
    """Who a key or token stands for."""
    sent = {"accept": "application/json", "authorization": f"Bearer {text}", **headers}
    return told(await Browser(door)._send("GET", "/api/v1/account", sent))["name"]


async def test_a_key_is_told_once_and_then_only_shown(door: Door, alice: Program) -> None:
    """A-18 to A-20: the text is in one answer; afterwards there is a preview."""
    made = told(await alice.call("POST", OWN, {**WISH, "read_only": True, "days": 30}), 201)
    text, key = made["text"], made["key"]
    assert await whose(door, text) == "alice"
    assert (key["name"], key["scopes"], key["read_only"]) == ("Phone", ["read"], True)
    assert key["preview"] == f"{text[:8]}…{text[-4:]}"
    answer = await alice.send("GET", OWN)
    listed = told(answer)
    assert listed["keys"] == [key]
    assert listed["most"] == 10
    read = parse_key(text)
    assert read is not None
    row = door.store.state.app_keys[read[0]]
    for secret in (text, row.digest, row.digest.partition(":")[2], text.split("_")[2]):
        assert secret not in answer.text
    assert row.expires_at == door.clock.now() + timedelta(days=30)


async def test_the_eleventh_key_is_400_and_says_why(alice: Program, door: Door) -> None:
    """A-19: up to ten at once."""
    for number in range(10):
        await give_key(door, "alice", number=number + 1)
    answer = await alice.call("POST", OWN, WISH)
    assert code_told(answer, 400) == "MALFORMED"
    assert "10 keys already" in answer.text


@pytest.mark.parametrize(
    "wish",
    [
        {"name": "Phone"},
        {"name": "", "scopes": ["read"]},
        {"name": "Phone", "apps": ["of nobody"]},
        {"name": "Phone", "scopes": ["read"], "networks": ["everywhere"]},
        {"name": "Phone", "scopes": ["everything"]},
        {"name": "Phone", "scopes": ["read"], "days": 0},
        {"name": "Phone", "scopes": ["read"], "user": "root"},
        {"name": "Phone", "scopes": ["admin"]},
    ],
)
async def test_what_cannot_be_had_is_refused(alice: Program, door: Door, wish: dict[str, object]) -> None:
    """A-19, L03: nobody makes a key for what they may not do."""
    before = dict(door.store.state.app_keys)
    assert (await alice.call("POST", OWN, wish)).status in {400, 403}
    assert door.store.state.app_keys == before


async def test_a_name_is_taken_once_and_can_be_changed(alice: Program) -> None:
    """One device, one name."""
    key = told(await alice.call("POST", OWN, WISH), 201)["key"]
    assert code_told(await alice.call("POST", OWN, WISH), 409) == "TAKEN"
    assert told(await alice.call("PATCH", f"{OWN}/{key['id']}", {"name": "Tablet"}))["name"] == "Tablet"
    assert told(await alice.call("PATCH", f"{OWN}/Tablet", {"name": "Old tablet"}))["id"] == key["id"]
    assert code_told(await alice.call("PATCH", f"{OWN}/{key['id']}", {"name": "\u0000"}), 400) == "MALFORMED"


async def test_a_key_goes_by_its_id_or_its_name_and_the_others_stay(door: Door, alice: Program) -> None:
    """A-21."""
    first, _, third = [
        told(await alice.call("POST", OWN, {**WISH, "name": name}), 201) for name in ("Phone", "Script", "Feed")
    ]
    assert told(await alice.call("DELETE", f"{OWN}/{first['key']['id']}"), 204) is None
    assert told(await alice.call("DELETE", f"{OWN}/Script"), 204) is None
    assert code_told(await alice.call("DELETE", f"{OWN}/Script"), 404) == "NOT_FOUND"
    assert [key["name"] for key in told(await alice.send("GET", OWN))["keys"]] == ["Feed"]
    assert await whose(door, third["text"]) == "alice"


async def test_somebody_elses_key_is_none(door: Door, alice: Program) -> None:
    """L08: by id or by name, as if there were none."""
    await give_key(door, "bob", ApiScope.READ, name="Bob's phone")
    (bobs,) = door.store.state.app_keys
    nobodys = "a" * 12
    for which in (bobs, "Bob's phone"):
        for method, tail, body in (("PATCH", "", {"name": "Mine"}), ("DELETE", "", None), ("POST", "/wake", None)):
            answer = await alice.call(method, f"{OWN}/{which.replace(' ', '%20')}{tail}", body)
            nothing = await alice.call(method, f"{OWN}/{nobodys}{tail}", body)
            assert code_told(answer, 404) == code_told(nothing, 404) == "NOT_FOUND"
            assert told(answer, 404)["detail"] == told(nothing, 404)["detail"]
    assert door.store.state.app_keys[bobs].name == "Bob's phone"
    assert told(await alice.send("GET", OWN))["keys"] == []


async def test_making_and_waking_ask_for_a_recent_proof(door: Door, alice: Program) -> None:
    """And taking back does not, since every minute counts."""
    await give_key(door, "alice", name="Asleep", disabled_at=door.clock.now())
    assert code_told(await alice.call("POST", f"{OWN}/Nothing/wake"), 404) == "NOT_FOUND"
    assert told(await alice.call("POST", f"{OWN}/Asleep/wake"))["enabled"] is True
    door.clock.advance(timedelta(minutes=20))
    for path, body in ((OWN, WISH), (f"{OWN}/Asleep/wake", None), ("/api/v1/access-tokens", WISH)):
        assert code_told(await alice.call("POST", path, body), 403) == "PROOF_TOO_OLD"
    assert told(await alice.call("DELETE", f"{OWN}/Asleep"), 204) is None


async def test_too_many_new_keys_wait(alice: Program) -> None:
    """A-23, B-28: five in a quarter of an hour, by whichever name of the address."""
    for number, path in enumerate((OWN, "/api/auth/apikey/generate", OWN, "/api/v1/access-tokens", OWN)):
        told(await alice.call("POST", path, {**WISH, "name": f"Device {number}"}), 201)
    answer = await alice.call("POST", OWN, {**WISH, "name": "One more"})
    assert code_told(answer, 429) == "RATE_LIMITED"
    assert int(answer.header("retry-after")) > 0


async def test_an_access_token_counts_for_its_days_and_until_it_is_taken_back(door: Door, alice: Program) -> None:
    """B-17, E-20: one row like a key's, in the same list; it ends with its owner's sessions."""
    made = told(await alice.call("POST", "/api/v1/access-tokens", {**WISH, "name": "Client"}), 201)
    assert made["key"]["kind"] == "token"
    assert made["text"].count(".") == 2
    assert await whose(door, made["text"]) == "alice"
    row = door.store.state.app_keys[KeyId(made["key"]["id"])]
    assert row.expires_at == door.clock.now() + timedelta(days=TOKENS.days)
    other = told(await alice.call("POST", "/api/v1/access-tokens", {**WISH, "name": "Other"}), 201)
    assert told(await alice.call("DELETE", f"{OWN}/Client"), 204) is None
    refused = {"accept": "application/json", "authorization": f"Bearer {made['text']}"}
    assert code_told(await Browser(door)._send("GET", "/api/v1/account", refused), 401) == "WRONG_KEY"
    assert await whose(door, other["text"]) == "alice"
    door.clock.advance(timedelta(days=TOKENS.days))
    late = {"accept": "application/json", "authorization": f"Bearer {other['text']}"}
    assert code_told(await Browser(door)._send("GET", "/api/v1/account", late), 401) == "WRONG_KEY"


async def test_without_an_issuer_there_are_no_access_tokens(door: Door, alice: Program) -> None:
    """E-22."""
    reader = door.server.reader
    parts = ApiParts(door.flows, reader, door.csrf, door.cookies, door.clock, door.random, "0", remember_me=True)
    object.__setattr__(door.server, "api", build_api(parts))
    assert code_told(await alice.call("POST", "/api/v1/access-tokens", WISH), 404) == "NOT_FOUND"


async def test_keys_are_there_under_the_names_that_programs_know(door: Door, alice: Program) -> None:
    """A-18, A-21: by device name, or by the preview where it is one key's alone."""
    assert told(await alice.send("GET", "/api/auth/apikey/status")) == {"enabled": False, "keys": []}
    wish = {"device_name": "Pixel", "scopes": ["read"]}
    made = told(await alice.call("POST", "/api/auth/apikey/generate", wish), 201)
    assert made["key"]["name"] == "Pixel"
    assert told(await alice.send("GET", "/api/auth/apikey/status"))["enabled"] is True
    await give_key(door, "alice", name="Twin", preview=made["key"]["preview"])
    revoke = "/api/auth/apikey/revoke"
    for nothing in ({"preview": made["key"]["preview"]}, {"preview": "dw_nothing"}, {"device_name": "Nokia"}, {}):
        assert code_told(await alice.call("POST", revoke, nothing), 404) == "NOT_FOUND"
    assert told(await alice.call("POST", revoke, {"device_name": "Pixel"}), 204) is None
    assert told(await alice.call("POST", revoke, {"preview": made["key"]["preview"]}), 204) is None
    assert told(await alice.send("GET", "/api/auth/apikey/status")) == {"enabled": False, "keys": []}


async def test_administrators_see_everybodys_keys_and_nobody_else_does(
    door: Door, alice: Program, root: Program
) -> None:
    """With filters; by no answer a hash."""
    await give_key(door, "alice", ApiScope.READ, apps=("wiki",))
    await give_key(door, "bob", number=2, apps=("grafana",), disabled_at=door.clock.now())
    bob = door.store.live_view.find_user_by_name("bob")
    assert bob is not None
    for target, owners in (
        (ALL, {"alice", "bob"}),
        (f"{ALL}?user={bob.id}", {"bob"}),
        (f"{ALL}?app=wiki", {"alice"}),
        (f"{ALL}?asleep=true", {"bob"}),
        (f"{ALL}?kind=token", set()),
        (f"/api/v1/users/{bob.id}/app-keys", {"bob"}),
    ):
        answer = await root.send("GET", target)
        assert {key["owner"] for key in told(answer)["keys"]} == owners, target
        assert "sha256" not in answer.text
        assert code_told(await alice.send("GET", target), 403) == "FORBIDDEN"
    assert told(await root.send("GET", f"{ALL}?limit=1"))["total"] == 2
    assert code_told(await root.send("GET", "/api/v1/users/nobody/app-keys"), 404) == "NOT_FOUND"


async def test_administrators_take_keys_back_one_by_one_or_all_that_fit(
    door: Door, alice: Program, root: Program
) -> None:
    """By app, by user, by age; never all by a slip."""
    texts = [await give_key(door, "alice", number=number, apps=("wiki",)) for number in (1, 2)]
    await give_key(door, "bob", number=3, apps=("grafana",))
    ids = [read[0] for read in map(parse_key, texts) if read is not None]
    assert told(await root.call("DELETE", f"{ALL}/{ids[0]}"), 204) is None
    assert code_told(await root.call("DELETE", f"{ALL}/{ids[0]}"), 404) == "NOT_FOUND"
    assert code_told(await root.call("POST", f"{ALL}/revoke", {}), 400) == "MALFORMED"
    assert code_told(await alice.call("POST", f"{ALL}/revoke", {"everything": True}), 403) == "FORBIDDEN"
    assert told(await root.call("POST", f"{ALL}/revoke", {"app": "wiki", "kind": "key"})) == {"revoked": 1}
    old = {"older_than_days": 10, "unused_for_days": 10, "asleep": False}
    assert told(await root.call("POST", f"{ALL}/revoke", old)) == {"revoked": 0}
    door.clock.advance(timedelta(hours=1))
    bob = door.store.live_view.find_user_by_name("bob")
    assert bob is not None
    assert told(await root.call("POST", f"{ALL}/revoke", {"user": bob.id})) == {"revoked": 1}
    assert not door.store.state.app_keys


async def test_administrators_wake_keys_and_make_them_for_services(door: Door, root: Program) -> None:
    """A service has keys, and no way to sign in."""
    asleep = parse_key(await give_key(door, "alice", disabled_at=door.clock.now()))
    assert asleep is not None
    assert told(await root.call("POST", f"{ALL}/{asleep[0]}/wake"))["enabled"] is True
    assert code_told(await root.call("POST", "/api/v1/services", {"name": "\u0000"}), 422) == "UNACCEPTABLE"
    service = told(await root.call("POST", "/api/v1/services", {"name": "backup-job"}), 201)
    made = told(await root.call("POST", f"/api/v1/users/{service['id']}/app-keys", WISH), 201)
    assert await whose(door, made["text"]) == "backup-job"
    assert code_told(await root.call("POST", "/api/v1/users/nobody/app-keys", WISH), 404) == "NOT_FOUND"
    door.clock.advance(timedelta(minutes=20))
    assert code_told(await root.call("POST", "/api/v1/services", {"name": "other-job"}), 403) == "PROOF_TOO_OLD"


async def test_whoever_has_a_factor_shows_it_before_there_is_a_key_by_any_address(door: Door) -> None:
    """B-12: not even where an administrator makes keys for others, and names their own account."""
    asleep = parse_key(await give_key(door, "alice", disabled_at=door.clock.now()))
    assert asleep is not None
    door.town.mfa = MfaTerms(MfaRequired.PER_RULE)
    own = (await give_totp(door.town, "root")).id
    door.clock.advance(timedelta(minutes=1))
    root = await Program.enter(door, "root")
    for path, ask in (
        (OWN, WISH),
        ("/api/v1/access-tokens", WISH),
        ("/api/auth/apikey/generate", WISH),
        (f"/api/v1/users/{own}/app-keys", {"name": "Mine", "scopes": ["admin"]}),
        (f"{ALL}/{asleep[0]}/wake", None),
    ):
        answer = await root.call("POST", path, ask)
        assert code_told(answer, 403) == "PROOF_TOO_OLD", path
        assert "need=two_factor" in answer.text, path
