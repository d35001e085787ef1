"""What an assertion says, which key signs it, and how long anybody may know that key."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from doorward.outside.assertion_signatures import draw_secret, write_public_part
from doorward.rules.app_key import KeyId
from doorward.rules.assertion import (
    KEPT,
    LEAD,
    TYPE,
    Algorithm,
    Due,
    algorithm_of,
    encode_claims,
    encode_header,
    find_due,
    find_signer,
    find_turn,
    is_published,
    kid_of,
    make_claims,
    write_key_set,
)
from doorward.rules.key_subject import subject_of
from doorward.rules.session import NEVER, Method, Subject
from doorward.rules.stored_key import ASSERTION, StoredKey
from tests.contract.samples import a_session, a_user
from tests.contract.test_app_keys import a_key
from tests.fakes.system import START, FakeRandom

RANDOM = FakeRandom("keys")
EDDSA, ES256 = Algorithm.EDDSA, Algorithm.ES256
ALICE = replace(a_user(), display_name="Ålice \u202e\n", granted_groups=frozenset({"z", "a"}))
MONTH = timedelta(days=30)


def a_stored(number, made_at=START, algorithm=EDDSA, retired_at=None):
    public = write_public_part(algorithm, draw_secret(algorithm, RANDOM))
    return StoredKey(number, ASSERTION, "sealed", made_at, public, retired_at)


def claims_of(subject, **more):
    given = {"issuer": "https://auth.example.test", "audience": "Wiki", "method": "GET", "jti": bytes(16), "now": START}
    url = "https://wiki.example.test/a?b=c"
    return make_claims(subject, subject.user.every_group, **{"url": url, **given, **more})


def test_it_says_who_asks_for_what_of_whom():
    """Bound to the app and to the request, and good for a minute at most."""
    session = replace(a_session(ALICE), methods=frozenset({Method.PASSWORD, Method.TOTP}))
    claims = claims_of(Subject(ALICE, session))
    assert claims == {
        "iss": "https://auth.example.test",
        "aud": "Wiki",
        "sub": ALICE.id,
        "preferred_username": ALICE.name,
        "name": ALICE.display_name,
        "email": ALICE.email,
        "groups": sorted(ALICE.every_group),
        "amr": ["otp", "pwd"],
        "auth_time": int(session.authenticated_at.timestamp()),
        "sid": session.handle,
        "htm": "GET",
        "htu": "https://wiki.example.test/a",
        "iat": int(START.timestamp()),
        "exp": int(START.timestamp()) + 60,
        "jti": "A" * 22,
    }
    assert claims_of(Subject(ALICE, session), lifetime=timedelta(seconds=20))["exp"] == int(START.timestamp()) + 20
    assert claims_of(Subject(ALICE, session), lifetime=timedelta(hours=1))["exp"] == int(START.timestamp()) + 60


def test_who_proved_nothing_at_any_time_has_no_time_of_proof():
    """And who has no address is told without one."""
    nobody_says_when = Subject(replace(ALICE, email=""), replace(a_session(ALICE), authenticated_at=NEVER))
    by_key = subject_of(replace(a_key(user=ALICE), id=KeyId("abcdefgh")), ALICE)
    assert not {"auth_time", "email"} & set(claims_of(nobody_says_when))
    assert "auth_time" not in claims_of(by_key)
    assert claims_of(by_key)["amr"] == ["key"]
    assert claims_of(by_key)["sid"] == "key-abcdefgh"
    # A session that says when is not enough, where a key was shown.
    assert "auth_time" not in claims_of(Subject(ALICE, a_session(ALICE), a_key(user=ALICE)))


def test_what_is_sent_is_ascii_whatever_a_person_is_called():
    """C02: a name cannot end the header, or begin another."""
    written = encode_claims(claims_of(Subject(replace(ALICE, display_name="\ud800é\r\nX: y"), a_session(ALICE))))
    assert written.isascii()
    assert not set(written) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_a_key_is_called_by_its_thumbprint():
    """RFC 7638, with the key and the name of RFC 8037, appendix A.3."""
    public = '{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'
    assert kid_of(public) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    header = encode_header(public)
    assert header.endswith(b".")
    assert kid_of(public).encode() not in header  # encoded
    assert TYPE == "doorward-assertion+jwt"


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_the_set_has_what_a_library_needs(algorithm):
    """RFC 7517, RFC 8037."""
    key = a_stored(1, algorithm=algorithm)
    (told,) = json.loads(write_key_set([key], START))["keys"]
    assert algorithm_of(key.public) is algorithm
    assert (told["kid"], told["alg"], told["use"]) == (kid_of(key.public), algorithm.value, "sig")
    assert "d" not in told
    assert json.loads(write_key_set([], START)) == {"keys": []}


def test_a_key_that_signs_no_more_stays_published_for_as_long_as_it_may_matter():
    retired = a_stored(1, retired_at=START)
    assert is_published(retired, START + KEPT - timedelta(seconds=1))
    assert not is_published(retired, START + KEPT)
    assert not is_published(a_stored(1), START, withdrawn=1)
    assert is_published(a_stored(2), START, withdrawn=1)
    assert is_published(a_stored(1), START + 100 * MONTH)


def test_a_new_key_is_published_before_it_signs():
    first, second = a_stored(1), a_stored(2, START + MONTH)
    keys, at = [second, first], START + MONTH
    assert find_signer([first], EDDSA, START) is first
    assert find_signer(keys, EDDSA, at) is first
    assert find_turn(keys, EDDSA, at) == at + LEAD
    assert find_due(keys, EDDSA, None, at) == Due(make=False, retire_below=0)
    assert find_signer(keys, EDDSA, at + LEAD) is second
    assert find_turn(keys, EDDSA, at + LEAD) is None
    due = find_due(keys, EDDSA, None, at + LEAD)
    assert due == Due(make=False, retire_below=2)
    assert due.is_anything
    assert not find_due([second], EDDSA, None, at).is_anything


def test_a_key_is_made_where_there_is_none_and_when_the_last_is_old():
    assert find_due([], EDDSA, None, START) == Due(make=True, retire_below=0)
    assert find_due([a_stored(1, retired_at=START)], EDDSA, None, START).make
    assert not find_due([a_stored(1)], EDDSA, MONTH, START + MONTH - timedelta(seconds=1)).make
    assert find_due([a_stored(1)], EDDSA, MONTH, START + MONTH).make
    assert not find_due([a_stored(1)], EDDSA, None, START + 100 * MONTH).make


def test_another_algorithm_is_another_key_at_once():
    old, new = a_stored(1), a_stored(2, START + MONTH, ES256)
    assert find_signer([old], ES256, START + MONTH) is None
    assert find_due([old], ES256, None, START + MONTH).make
    assert find_signer([new, old], ES256, START + MONTH) is new
    assert find_due([new, old], ES256, None, START + MONTH) == Due(make=False, retire_below=2)
