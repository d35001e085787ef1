"""What a sign-in remembers between its steps comes back as it was."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from doorward.flows.pending import Pending
from doorward.rules.identity import UserId
from doorward.rules.login import Demand
from doorward.rules.session import Method, SessionHandle

INSTANTS = st.none() | st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
PENDING = st.builds(
    Pending,
    demand=st.sampled_from(Demand),
    return_url=st.text(max_size=20),
    return_refused=st.booleans(),
    account=st.none() | st.just(UserId("A" * 22)),
    proven=st.frozensets(st.sampled_from(Method)),
    remember=st.booleans(),
    session=st.none() | st.just(SessionHandle("ab" * 16)),
    had_second=st.booleans(),
    authenticated_at=INSTANTS,
    ends_by=INSTANTS,
    upstream=st.text(max_size=20),
    challenge=st.text(max_size=20),
    wrong=st.integers(min_value=0, max_value=9),
    postponed=st.booleans(),
    enrolled=st.booleans(),
)


@given(PENDING, st.integers(min_value=1, max_value=9))
def test_a_ticket_gives_back_what_was_put_in(pending, generation):
    whole = replace(pending, generation=generation if pending.account else 0)
    assert Pending.read(whole.write()) == whole
