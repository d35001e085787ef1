"""An edit, a deletion, an insertion or another order shows; erased personal data does not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from doorward.rules.audit import GENESIS, Act, AuditEvent, AuditQuery, chain, pack_private, unpack_private, verify_link

AT = datetime(2030, 1, 1, tzinfo=UTC)


def an_event(number=1, **changes):
    values = {
        "act": Act.LOGIN,
        "actor": "alice",
        "subject": "bob",
        "at": AT + timedelta(microseconds=number),
        "public": {"reason": "rule", "n": str(number)},
        "private": {"address": "192.0.2.1"},
    }
    return AuditEvent(**{**values, **changes})


def a_chain(length=4):
    records, previous = [], GENESIS
    for number in range(1, length + 1):
        record = chain(an_event(number), sequence=number, previous=previous, entropy=bytes([number]) * 16)
        records.append(record)
        previous = record.hash
    return records


def holds(records):
    previous = GENESIS
    for number, record in enumerate(records, 1):
        if record.sequence != number or not verify_link(record, previous):
            return False
        previous = record.hash
    return True


def test_an_untouched_chain_holds():
    assert holds(a_chain())


@pytest.mark.parametrize(
    "edit",
    [
        {"act": Act.LOGOUT},
        {"actor": "mallory"},
        {"subject": "mallory"},
        {"at": AT},
        {"public": {"reason": "rule", "n": "3"}},
        {"public": {}},
        {"private": {"address": "192.0.2.2"}},
        {"private": {"address": "192.0.2.1", "more": ""}},
    ],
)
def test_an_edited_event_shows(edit):
    records = a_chain()
    records[1] = replace(records[1], event=replace(records[1].event, **edit))
    assert not holds(records)


@pytest.mark.parametrize("edit", [{"salt": bytes(16)}, {"private_digest": bytes(32)}, {"previous": bytes(32)}])
def test_an_edited_record_shows(edit):
    records = a_chain()
    records[1] = replace(records[1], **edit)
    assert not holds(records)


def test_a_deleted_inserted_or_moved_record_shows():
    first, second, third, fourth = a_chain()
    assert not holds([second, third, fourth])
    assert not holds([first, third, fourth])
    assert not holds([first, third, second, fourth])
    assert not holds([first, first, second])
    forged = chain(an_event(9), sequence=2, previous=first.hash, entropy=bytes(16))
    assert holds([first, forged])
    assert not holds([first, forged, third])


def test_erased_personal_data_is_no_edit():
    """What has to be erased can be, and the chain still verifies."""
    records = [replace(record, event=replace(record.event, private={})) for record in a_chain()]
    assert holds(records)


def test_the_digest_of_personal_data_is_salted():
    """Nobody finds an erased address by trying them all."""
    first, second = (chain(an_event(), sequence=1, previous=GENESIS, entropy=bytes([n]) * 16) for n in (1, 2))
    assert first.private_digest != second.private_digest
    assert first.hash != second.hash


def test_an_instant_counts_in_whatever_zone_it_is_told():
    elsewhere = timezone(timedelta(hours=5))
    record = a_chain(1)[0]
    same = replace(record, event=replace(record.event, at=record.event.at.astimezone(elsewhere)))
    assert verify_link(same, GENESIS)


def test_the_order_of_fields_does_not_matter_and_their_borders_do():
    one = chain(an_event(public={"a": "1", "b": "2"}), sequence=1, previous=GENESIS, entropy=bytes(16))
    two = chain(an_event(public={"b": "2", "a": "1"}), sequence=1, previous=GENESIS, entropy=bytes(16))
    three = chain(an_event(public={"a": "1,b", "c": "2"}), sequence=1, previous=GENESIS, entropy=bytes(16))
    assert one.hash == two.hash
    assert one.hash != three.hash


def test_the_chain_is_the_same_in_every_version():
    """A format that shipped is a promise: this hash may not change."""
    record = chain(an_event(), sequence=1, previous=GENESIS, entropy=bytes(16))
    assert record.hash.hex() == "2c799c56811d3bba1fa5a078df0d3b28bfad8c016242ef07158d5daf2a1bb559"


def test_every_act_says_when_it_is_recorded():
    assert len({act.meaning for act in Act}) == len(Act)


def test_personal_data_is_packed_with_its_salt():
    record = a_chain(1)[0]
    packed = pack_private(record.event.private, salt=record.salt)
    assert unpack_private(packed) == (record.event.private, record.salt)


def test_a_query_that_asks_for_nothing_means_everything():
    assert AuditQuery().is_everything
    assert not AuditQuery(acts=("user.login",)).is_everything
