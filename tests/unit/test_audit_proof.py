"""What exactly is said of a chain or an export that is not what it was."""

from dataclasses import replace

import pytest

from doorward.errors import InputError
from doorward.rules.audit_lines import read_line, write_line
from doorward.rules.audit_proof import MOST_FLAWS, Fault, Walk, verify_export
from doorward.rules.checkpoint import Pace, fingerprint, is_signed, parse_public_key
from doorward.rules.ranges import Ranges, parse_ranges
from tests.fakes.exported import INSTALLATION, KEY, OTHER_KEY, a_chain, a_checkpoint, an_export
from tests.fakes.system import START

CHAIN = a_chain(9)


def judge(lines, known=()):
    return verify_export(lines, [KEY.public], known)


def told(verdict):
    return [(flaw.fault, flaw.first, flaw.last) for flaw in verdict.flaws]


def walked(entries, **settings):
    walk = Walk([KEY.public], installation=INSTALLATION, **settings)
    for entry in entries:
        walk.take(entry)
    return walk


def test_an_edit_is_named_and_nothing_else():
    entries = list(CHAIN)
    entries[4] = replace(entries[4], actor="mallory")
    assert told(judge(an_export(entries))) == [(Fault.EDITED, 5, 5)]


def test_a_gap_is_named_once():
    assert told(walked(CHAIN[:2] + CHAIN[5:]).finish()) == [(Fault.MISSING, 3, 5)]


def test_another_order_is_named():
    entries = [*CHAIN[:2], CHAIN[3], CHAIN[2], *CHAIN[4:]]
    assert told(walked(entries).finish()) == [(Fault.MISSING, 3, 3), (Fault.MOVED, 3, 3)]


def test_a_record_put_in_is_named():
    forged = a_chain(9, seed="forged")
    entries = [*CHAIN[:4], forged[3], *CHAIN[4:]]
    assert told(walked(entries).finish()) == [(Fault.INSERTED, 4, 4)]


def test_a_record_that_was_replaced_with_its_hash_is_named_where_the_next_does_not_follow():
    forged = a_chain(9, seed="forged")
    verdict = walked([*CHAIN[:4], replace(forged[4], previous=CHAIN[3].hash), *CHAIN[5:]]).finish()
    assert (Fault.EDITED, 5, 5) in told(verdict)
    assert told(walked(forged[1:], after=1, previous=CHAIN[0].hash).finish()) == [(Fault.REPLACED, 2, 2)]
    assert walked([replace(CHAIN[0], previous=bytes(range(32)))]).finish().flaws


def test_a_chain_that_does_not_begin_at_the_beginning_is_named():
    forged = a_chain(1, seed="other")[0]
    verdict = walked([forged], previous=bytes(range(32))).finish()
    assert "is not the first one" in verdict.flaws[0].text


def test_a_tail_cut_off_the_live_chain_shows_by_a_checkpoint_from_elsewhere():
    """Who cuts and forges an end has no checkpoint for it."""
    point = a_checkpoint(CHAIN[8])
    verdict = walked(CHAIN[:6], known=[point]).finish()
    assert told(verdict) == [(Fault.CUT, 7, 9)]
    assert verdict.signed_upto == 0
    whole = walked(CHAIN, known=[point]).finish()
    assert whole.holds
    assert whole.signed_upto == 9


def test_an_older_export_shows_by_a_checkpoint_from_elsewhere():
    verdict = judge(an_export(CHAIN[:6]), [a_checkpoint(CHAIN[8])])
    assert told(verdict) == [(Fault.CUT, 7, 9)]


def test_a_checkpoint_from_elsewhere_that_is_not_genuine_is_named():
    forged = replace(a_checkpoint(CHAIN[8]), sequence=7)
    assert told(judge(an_export(CHAIN), [forged])) == [(Fault.FORGED, 7, 7)]
    abroad = a_checkpoint(CHAIN[8], installation="another one")
    assert told(judge(an_export(CHAIN), [abroad])) == [(Fault.FORGED, 9, 9)]


def test_a_history_made_anew_is_named_by_the_records_between_two_checkpoints():
    walk = walked(CHAIN[:4])
    walk.take_checkpoint(a_checkpoint(CHAIN[3]), INSTALLATION)
    assert walk.is_sound
    previous = CHAIN[3].hash
    for entry in a_chain(9, seed="anew", after=4, previous=previous):
        walk.take(entry)
    walk.take_checkpoint(a_checkpoint(CHAIN[8]), INSTALLATION)
    assert told(walk.finish()) == [(Fault.REWRITTEN, 5, 9)]


def test_a_forged_checkpoint_and_a_swapped_key_are_told_apart():
    walk = walked(CHAIN)
    walk.take_checkpoint(replace(a_checkpoint(CHAIN[8]), hash=bytes(32)), INSTALLATION)
    walk.take_checkpoint(a_checkpoint(CHAIN[8], OTHER_KEY), INSTALLATION)
    walk.take_checkpoint(replace(a_checkpoint(CHAIN[8]), signed_by="0" * 16), INSTALLATION)
    walk.take_checkpoint(a_checkpoint(CHAIN[7]), INSTALLATION)
    assert told(walk.finish()) == [
        (Fault.FORGED, 9, 9),
        (Fault.UNKNOWN_KEY, 9, 9),
        (Fault.UNKNOWN_KEY, 9, 9),
        (Fault.MOVED, 8, 8),
    ]


def test_an_export_signed_by_another_key_is_refused():
    verdict = judge(an_export(CHAIN, key=OTHER_KEY))
    assert {flaw.fault for flaw in verdict.flaws} == {Fault.UNKNOWN_KEY}
    assert fingerprint(OTHER_KEY.public) in verdict.flaws[0].text


def test_erased_data_needs_a_recorded_erasure():
    assert walked(a_chain(6, erased=(2, 3, 4))).finish().holds
    bare = [*CHAIN[:2], replace(CHAIN[2], private=None, salt=b""), *CHAIN[3:]]
    assert told(walked(bare).finish()) == [(Fault.ERASED, 3, 3)]
    assert walked(bare, has_private=False).finish().holds


def test_a_private_part_that_does_not_open_is_an_edit():
    entries = [*CHAIN[:2], replace(CHAIN[2], private=None, salt=b"", sealed_wrong=True), *CHAIN[3:]]
    assert told(walked(entries).finish()) == [(Fault.EDITED, 3, 3)]


def test_lines_after_the_end_and_no_lines_at_all_are_named():
    lines = an_export(CHAIN)
    assert told(judge([*lines, lines[1]])) == [(Fault.INSERTED, 0, 0)]
    assert [flaw.fault for flaw in judge([]).flaws] == [Fault.MALFORMED, Fault.CUT]


def test_an_end_that_was_forged_is_named():
    lines = an_export(CHAIN)
    end, _ = read_line(lines[-1])
    other = write_line(replace(end, bare="1")).encode()
    assert told(judge([*lines[:-1], other])) == [(Fault.FORGED, 0, 0)]


def test_lines_that_were_exchanged_with_those_of_another_export_of_the_same_records_are_noticed():
    """Every line is right by itself, and the whole is not what was signed."""
    lines = an_export(CHAIN, every=4)
    position = next(index for index, line in enumerate(lines) if b'"kind":"checkpoint"' in line)
    lines[position] = write_line(a_checkpoint(replace(CHAIN[3], at=START)), installation=INSTALLATION).encode()
    assert judge(lines).flaws[0].text == "the lines are not those that were signed"


def test_no_more_than_so_many_flaws_are_named():
    verdict = walked(replace(entry, actor="mallory") for entry in a_chain(MOST_FLAWS + 5)).finish()
    assert len(verdict.flaws) == MOST_FLAWS
    assert verdict.more


def test_a_filtered_export_names_what_is_missing_from_it():
    lines = an_export(CHAIN[1::2], whole=False)
    assert judge(lines).holds
    assert told(judge([*lines[:2], *lines[3:]])) == [(Fault.MISSING, 4, 4)]


@pytest.mark.parametrize(
    "line",
    [
        b"{}\n",
        b'{"kind":"more"}\n',
        b'{"kind":"record","private":null,"sequence":true}\n',
        b'{"kind":"record","private":null,"sequence":1,"at":7}\n',
        b'{"kind":"end","records":"2-1"}\n',
        b'{"kind":"end","records":"x"}\n',
        b'{"kind":"end","records":"1,2"}\n',
        b'{"kind":"doorward-audit-1","installation":"x","at":"2030-01-01","whole":1}\n',
        b'{"kind":"doorward-audit-1","installation":"x","at":"2030-01-01","whole":true,"private":true,"query":[]}\n',
        b'{"kind":"record","private":null,"sequence":1,"at":"2030-01-01","act":7}\n',
        b'{"kind":"record","private":null,"sequence":1,"at":"2030-01-01","act":"","actor":"","subject":"","public":[]}\n',
        b'{"kind":"record","private":null,"sequence":0}\n',
        b"not JSON\n",
    ],
)
def test_what_no_export_has_is_malformed(line):
    with pytest.raises(InputError):
        read_line(line)


@pytest.mark.parametrize(
    "line",
    [
        (
            b'{"at":"2026-01-01T00:00:00.000000+00:00","installation":"i","keys":["\\u00e9"],"kind":"doorward-audit-1",'
            b'"private":true,"query":{},"whole":true}\n'
        ),
        (
            b'{"at":"0001-01-01T00:00:00.000000+23:59","installation":"i","keys":[],"kind":"doorward-audit-1",'
            b'"private":true,"query":{},"whole":true}\n'
        ),
    ],
)
def test_a_beginning_with_what_cannot_be_read_is_malformed_and_ends_nothing(line):
    """A key that is none, and an instant before there was time."""
    assert (Fault.MALFORMED, 0, 0) in told(judge([line]))


def test_an_export_of_many_records_that_stand_apart_is_verified():
    """Its last line names each of them: longer than any other, and compared in one go."""
    ranges = Ranges(range(1, 400_000, 2))
    line = write_line(replace(read_line(an_export(CHAIN)[-1])[0], records=ranges.spell())).encode("ascii")
    assert read_line(line)[0].records == ranges.spell()
    assert not len(ranges.without(parse_ranges(ranges.spell())))
    assert all(number in ranges for number in range(1, 400_000, 2))


def test_a_second_beginning_is_named():
    lines = an_export(CHAIN)
    assert judge([lines[0], *lines]).flaws[0].text == "line 2 is the beginning of an export"


def test_an_erasure_that_names_no_records_is_named():
    last = a_chain(3, erased=(1,))[-1]
    wrong = replace(last, public={"records": "all"})
    assert (Fault.EDITED, 3, 3) in told(walked([wrong], after=2, previous=last.previous).finish())


def test_a_line_has_one_spelling():
    line = an_export(CHAIN)[1]
    with pytest.raises(InputError):
        read_line(line.replace(b",", b", "))


def test_public_keys_are_read_back_and_nothing_else_is():
    assert parse_public_key(f" {KEY.public}\n") == KEY.public
    for text in ("", "ed25519:", KEY.public[:-1], KEY.public.removeprefix("ed25519:")):
        with pytest.raises(InputError):
            parse_public_key(text)
    assert is_signed(KEY.public, b"message", KEY.sign(b"message"))
    assert not is_signed(KEY.public, b"message", b"short")


def test_checkpoints_are_due_by_number_and_by_time():
    pace, last = Pace(5, START - START.replace(year=2029)), a_checkpoint(CHAIN[3])
    assert not pace.is_due(0, None, START)
    assert pace.is_due(1, None, START)
    assert not pace.is_due(4, last, START)
    assert not pace.is_due(8, last, START)
    assert pace.is_due(9, last, START)
    assert pace.is_due(5, last, START.replace(year=2031, month=6))
    assert not pace.is_due(4, last, START.replace(year=2031, month=6))


def test_numbers_that_are_there_are_not_added_again():
    ranges = parse_ranges("1-3,7")
    ranges.add(2)
    ranges.add(5)
    assert ranges.spell() == "1-3,5,7"
    assert parse_ranges("1-9").without(parse_ranges("1-2,5,20")).spell() == "3-4,6-9"


def test_a_header_whose_key_has_another_spelling_is_no_line_of_an_export():
    line = an_export(CHAIN)[0]
    assert read_line(line)[0].keys == (KEY.public,)
    with pytest.raises(InputError, match="no export has such a line"):
        read_line(line.replace(KEY.public.encode(), b" " + KEY.public.encode()))
