"""Whatever is done to an export shows, and where."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from doorward.rules.audit_proof import verify_export
from doorward.rules.ranges import Ranges, parse_ranges
from tests.fakes.exported import KEY, OTHER_KEY, a_chain, an_export

CHAIN = a_chain(14, erased=(3, 4))
EXPORTS = [an_export(CHAIN), an_export(CHAIN, private=False), an_export(CHAIN[2:9:2], whole=False)]
exports = st.sampled_from(EXPORTS)
_HEX = re.compile(r"[0-9a-f]{32,}")


def judge(lines):
    return verify_export(lines, [KEY.public])


def about(line):
    """What a line is about: its record, or 0."""
    return json.loads(line).get("sequence", 0)


def is_named(verdict, line, number):
    """Whether the position was named: the record by its number, or the line."""
    return any(
        (number and flaw.first <= number <= flaw.last) or flaw.line == line or f"line {line}" in flaw.text
        for flaw in verdict.flaws
    )


def change(value, how):
    """The value, another one of its kind."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1 + how
        case str() if _HEX.fullmatch(value):
            at = how % len(value)
            return value[:at] + ("1" if value[at] != "1" else "0") + value[at + 1 :]
        case str():
            at = how % (len(value) + 1)
            return value[:at] + "7" + value[at:]
        case dict():
            return {**value, "more": "x"} if not value or how % 2 else dict(list(value.items())[1:])
        case list():
            return [] if how % 2 else [*value, "x"]
        case _:
            return {"address": "192.0.2.1"}


def spell(found):
    return (json.dumps(found, sort_keys=True, separators=(",", ":")) + "\n").encode()


@given(exports)
def test_an_untouched_export_holds(lines):
    """E-72, field item 9."""
    verdict = judge(lines)
    assert verdict.holds
    assert verdict.signed_upto == verdict.last


@given(exports, st.data())
def test_a_change_to_any_field_of_any_line_is_named(lines, data):
    """B-38: any edit is named with its position."""
    at = data.draw(st.integers(0, len(lines) - 1))
    found = json.loads(lines[at])
    field = data.draw(st.sampled_from(sorted(found)))
    found[field] = change(found[field], data.draw(st.integers(0, 63)))
    verdict = judge([*lines[:at], spell(found), *lines[at + 1 :]])
    assert is_named(verdict, at + 1, about(lines[at])), verdict.flaws


@given(exports, st.data())
def test_a_change_to_any_byte_is_named(lines, data):
    at = data.draw(st.integers(0, len(lines) - 1))
    where = data.draw(st.integers(0, len(lines[at]) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != lines[at][where]))
    changed = lines[at][:where] + bytes([byte]) + lines[at][where + 1 :]
    verdict = judge([*lines[:at], changed, *lines[at + 1 :]])
    assert is_named(verdict, at + 1, about(lines[at])), verdict.flaws


@given(exports, st.data())
def test_a_line_taken_away_is_named(lines, data):
    at = data.draw(st.integers(0, len(lines) - 1))
    verdict = judge(lines[:at] + lines[at + 1 :])
    assert not verdict.holds
    number = about(lines[at])
    if number:
        assert is_named(verdict, 0, number), verdict.flaws


@given(exports, st.data())
def test_a_tail_cut_off_is_named(lines, data):
    at = data.draw(st.integers(0, len(lines) - 1))
    verdict = judge(lines[:at])
    assert any(f"after line {at}" in flaw.text for flaw in verdict.flaws)


@given(exports, st.data())
def test_a_tail_of_records_cut_off_is_named_whatever_end_is_put_back(lines, data):
    at = data.draw(st.integers(1, len(lines) - 2))
    verdict = judge([*lines[:at], lines[-1]])
    for number in map(about, lines[at:-1]):
        assert is_named(verdict, 0, number), verdict.flaws


@given(exports, st.data())
def test_a_line_put_in_again_is_named(lines, data):
    at = data.draw(st.integers(0, len(lines) - 1))
    to = data.draw(st.integers(0, len(lines)))
    verdict = judge([*lines[:to], lines[at], *lines[to:]])
    assert not verdict.holds
    number = about(lines[at])
    # Of two equal lines the second is the one too many; behind an end it is whatever comes next.
    assert any(is_named(verdict, line, number) for line in (to + 1, to + 2, at + 1, at + 2))


@given(exports, st.data())
def test_two_lines_in_another_order_are_named(lines, data):
    first, second = sorted(data.draw(st.sets(st.integers(0, len(lines) - 1), min_size=2, max_size=2)))
    swapped = list(lines)
    swapped[first], swapped[second] = swapped[second], swapped[first]
    verdict = judge(swapped)
    assert not verdict.holds
    assert verdict.flaws[0].line <= second + 1


@given(st.integers(1, 13))
def test_a_history_made_anew_shows_at_the_next_checkpoint(at):
    """Whoever edits a record and every hash after it has no key for the checkpoints."""
    anew = [*CHAIN[: at - 1], *a_chain(14, seed="anew")[at - 1 :]]
    forged = an_export(anew, key=OTHER_KEY)
    verdict = judge(forged)
    assert {flaw.fault.value for flaw in verdict.flaws} >= {"unknown_key"}


@given(st.sets(st.integers(1, 60)), st.sets(st.integers(1, 60)))
def test_ranges_are_sets_of_numbers(one, other):
    first, second = Ranges(one), Ranges(sorted(other))
    assert {number for number in range(1, 61) if number in first} == one
    assert len(first) == len(one)
    left = first.without(second)
    assert {number for run in left.runs() for number in range(run[0], run[1] + 1)} == one - other
    assert parse_ranges(first.spell()).spell() == first.spell()
    first.update(second)
    assert len(first) == len(one | other)
