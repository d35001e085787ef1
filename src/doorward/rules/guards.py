"""What is left to look at once a person is allowed on a host: how the path begins, or everything.

The gate remembers it, so that requests that cannot come out otherwise need not be judged one by one.
"""

from doorward.rules.identity import User
from doorward.rules.policy import HostRules, Rule


def find_guards(rules: HostRules, user: User, groups: frozenset[str]) -> tuple[str, ...] | None:
    """The beginnings of paths that a deny or a require may speak of; None where every request has to be judged.

    If not None, `decide` allows every request of this user's live session to this host, from anywhere, at any time, by
    any method but OPTIONS, whose path is ASCII, not ambiguous and, in lower case and without leading slashes, does not
    begin with one of them. SECURITY: tests/property/test_guards.py holds this against `decide`.
    """
    if rules.app is not None and rules.app.guard_cross_site:
        return None  # who asks stands in headers that are looked at nowhere else
    if user.console_only or not any(_is_unconditional(rule) and rule.speaks_of(user, groups) for rule in rules.allows):
        return None
    guards: set[str] = set()
    for rule in (*rules.denies, *rules.requires):
        if not rule.speaks_of(user, groups):
            continue
        if not rule.paths or any(not pattern.head for pattern in rule.paths):
            return None
        guards.update(pattern.head for pattern in rule.paths)
    return tuple(sorted(guards))


def _is_unconditional(rule: Rule) -> bool:
    return not (rule.paths or rule.methods or rule.networks or rule.times)
