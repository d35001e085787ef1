"""Whom a key stands for: its owner, with a session that proves nothing but the key."""

from dataclasses import replace
from datetime import timedelta

from doorward.rules.access import find_missing
from doorward.rules.app_key import AppKey, KeyId, KeyKind
from doorward.rules.key_subject import handle_of, subject_of
from doorward.rules.policy import Requirement
from doorward.rules.reason import Reason
from doorward.rules.session import RECENT, Method, find_end, is_recent
from tests.fakes.gate import make_user
from tests.fakes.system import START

ALICE = make_user("alice")
KEY = AppKey(KeyId("aaaaaaaaaaaa"), ALICE.id, "phone", KeyKind.KEY, "sha256:", "dw_aaaaa…zzzz", START, ALICE.id)


def test_a_key_is_never_recent_and_never_fresh() -> None:
    """However new it is: nobody was there when it was shown."""
    session = subject_of(replace(KEY, last_used_at=START), ALICE).session
    assert not is_recent(session, START, RECENT)
    for asked in (Requirement(fresh=timedelta(days=30_000)), Requirement(two_factor=True), Requirement(passkey=True)):
        assert find_missing(asked, session, None, START) is Reason.KEY_NOT_ENOUGH
        assert find_missing(replace(asked, keys=True), session, None, START) is None
    assert find_missing(Requirement(), session, None, START) is None


def test_what_stands_in_for_a_session_lives_as_long_as_the_key() -> None:
    forever, soon = subject_of(KEY, ALICE), subject_of(replace(KEY, expires_at=START + timedelta(days=1)), ALICE)
    assert find_end(forever.session, ALICE, START + timedelta(days=36_500)) is None
    assert find_end(soon.session, ALICE, START) is None
    assert find_end(soon.session, ALICE, START + timedelta(days=1)) is Reason.SESSION_EXPIRED
    assert (forever.user, forever.key, forever.session.methods) == (ALICE, KEY, frozenset({Method.KEY}))
    assert forever.session.handle == handle_of(KEY.id) == "key-aaaaaaaaaaaa"
    other = subject_of(replace(KEY, id=KeyId("aaaaaaaaaaab")), ALICE)
    assert other.session.fingerprint != forever.session.fingerprint
