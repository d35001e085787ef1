"""What follows the durable side misses nothing that happens there, and looks no more often than it must."""

import pytest

from doorward.errors import UnavailableError
from doorward.flows.following import Following


class Side:
    """A durable side: commits, and those of them that take something away."""

    def __init__(self):
        self.commits = self.revisions = self.looks = 0

    def commit(self, *, alters=True):
        self.commits += 1
        self.revisions += alters

    def stamp(self):
        return self.commits

    def revision(self):
        self.looks += 1
        return self.revisions


@pytest.fixture
def side():
    return Side()


def test_it_is_taken_up_at_first_and_after_every_change_and_not_otherwise(side):
    taken = []
    following = Following(side)
    for _ in range(2):
        following.follow(lambda: taken.append(side.commits))
    side.commit(alters=False)
    for _ in range(2):
        following.follow(lambda: taken.append(side.commits))
    assert (taken, side.looks) == ([0], 2)
    side.commit()
    following.follow(lambda: taken.append(side.commits))
    assert taken == [0, 2]


def test_what_is_committed_while_it_is_taken_up_is_seen_next_time(side):
    taken = []

    def take_up():
        taken.append(side.revisions)
        if len(taken) == 1:
            side.commit()

    following = Following(side)
    for _ in range(3):
        following.follow(take_up)
    assert taken == [0, 1]


def test_what_could_not_be_taken_up_is_tried_again(side):
    def fail():
        raise UnavailableError("no")

    taken = []
    following = Following(side)
    for first in (None, fail):
        with pytest.raises(UnavailableError):
            following.follow(fail if first is None else lambda: taken.append("early"), first=first)
    following.follow(lambda: taken.append("now"))
    assert taken == ["now"]


def test_what_comes_first_is_asked_after_any_commit(side):
    asked = []
    following = Following(side)
    for alters in (False, True):
        for _ in range(2):
            following.follow(lambda: None, first=lambda: asked.append(side.commits))
        side.commit(alters=alters)
    assert asked == [0, 1]


def test_after_forgetting_everything_is_taken_up_anew(side):
    taken = []
    following = Following(side)
    for _ in range(2):
        following.follow(lambda: taken.append(1))
        following.forget()
    assert taken == [1, 1]
