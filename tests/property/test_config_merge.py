"""Whatever two configurations say: merged, they say both, and nothing of the present file is lost."""

import re

from hypothesis import given
from hypothesis import strategies as st

from doorward.config.merge import Fate, merge_config
from doorward.config.portable import write_block, write_flow
from doorward.config.source import read_document
from doorward.config.written import read_written
from doorward.errors import ConfigError

WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Co", "Zl", "Zp"), exclude_characters="\ufeff"),
    max_size=8,
)
SCALARS = (
    st.booleans()
    | st.integers(-9, 9**9)
    | WORDS
    | st.sampled_from(["null", "~", "yes", "007", "a: b", "x #y", "${A}", "-"])
)
NAMES = st.from_regex(r"[a-d]", fullmatch=True)
RULES = st.lists(
    st.fixed_dictionaries({"name": NAMES, "users": st.lists(WORDS, max_size=2)}),
    max_size=3,
    unique_by=lambda one: one["name"],
)
TREES = st.fixed_dictionaries(
    {},
    optional={
        "logger": st.dictionaries(NAMES, SCALARS, min_size=1, max_size=3),
        "server": st.dictionaries(NAMES, st.lists(SCALARS, max_size=2) | SCALARS, min_size=1, max_size=2),
        "authz": st.fixed_dictionaries({"rules": RULES}, optional={"timezone": WORDS}),
    },
)


def spell(tree, flow):
    """A file, in one of the ways in which people write one, with comments in it."""
    lines = []
    for name, section in tree.items():
        lines.append(f"# about {name}")
        if flow:
            lines.append(f"{name}: {write_flow(section)}  # all of it")
        else:
            lines += [f"{name}:", *(f"{line}  # here" for line in write_block(section, "  ")), ""]
    return ("\n".join(lines) + "\n# the end").encode()


@given(TREES)
def test_what_is_written_is_read_again(tree):
    text = "\n".join(write_block(tree))
    document = read_document(text.encode(), {})
    assert document.findings == []
    assert repr(document.tree).replace("(", "[").replace(",)", "]").replace(")", "]") == repr(tree).replace(
        "(", "["
    ).replace(",)", "]").replace(")", "]")


@given(TREES, TREES, st.booleans(), st.booleans(), st.booleans())
def test_a_merge_says_both_and_keeps_every_comment(mine, theirs, flow, overwrite, other_flow):
    """D-40."""
    present, other = spell(mine, flow), spell(theirs, other_flow)
    merged = merge_config(present, other, overwrite=overwrite)
    fates = {setting.fate for setting in merged.settings}
    if not fates & {Fate.ADD, Fate.CHANGE}:
        assert merged.text == present
    if not overwrite:
        assert Fate.CHANGE not in fates
        # Lines are added, or something is added within brackets; none is taken.
        begins = [re.split(r"[\[{\]}]", line)[0].strip() for line in present.decode().splitlines()]
        assert all(begin in merged.text.decode() for begin in begins)
    before, after = read_written(present, "present").tree, read_written(merged.text, "merged").tree
    assert before.keys() <= after.keys()
    for name in set() if overwrite else before.keys() - {"authz"}:
        assert all(after[name][key] == value for key, value in before[name].items())
    rules = {rule["name"] for tree in (mine, theirs) for rule in tree.get("authz", {}).get("rules", ())}
    assert {rule["name"] for rule in after.get("authz", {}).get("rules", ())} == rules
    again = merge_config(merged.text, other, overwrite=overwrite)
    assert not {setting.fate for setting in again.settings} & {Fate.ADD, Fate.CHANGE}


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_are_merged_or_refused(present, other):
    try:
        merged = merge_config(present, other)
    except ConfigError:
        return
    assert read_written(merged.text, "merged")
