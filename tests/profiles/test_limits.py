"""How often what may be tried: as many answers as the page says, then 429 with the time to wait."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.profiles.gateway import GOOD, NEVER, Gateway, Visitor, code_of, find_form
from tests.profiles.pages import MINUTE, Page

SPENT = 429


def check_spent(attempt: Callable[[int], httpx.Response], limit: tuple[int, int]) -> None:
    """So many attempts are answered, and a further one must wait."""
    with ThreadPoolExecutor(limit[0]) as pool:
        answers = list(pool.map(attempt, range(limit[0])))
    assert SPENT not in [answer.status_code for answer in answers]
    check_wait(attempt(limit[0]), limit)


def check_wait(refused: httpx.Response, limit: tuple[int, int]) -> None:
    """The wait is within the span, and beyond what a shorter one would ask."""
    assert refused.status_code == SPENT, refused.text
    assert (0 if limit[1] == MINUTE else MINUTE) < int(refused.headers["retry-after"]) <= limit[1]


def test_passwords_may_be_tried_as_often_as_the_page_says(page: Page, gateway: Gateway) -> None:
    """A-04, A-30, B-25, B-29, D-19: by address, whatever name is tried."""
    where = gateway.visitor().address

    def attempt(number: int) -> httpx.Response:
        return Visitor(gateway, where).try_password(f"{NEVER[0]}{number}", NEVER[1])

    check_spent(attempt, page.login)
    assert gateway.visitor().try_password(*NEVER).status_code != SPENT


def test_answers_of_providers_may_come_as_often_as_the_page_says(page: Page, gateway: Gateway) -> None:
    """D-25."""
    where = gateway.visitor().address
    check_spent(
        lambda _: Visitor(gateway, where).get("/api/auth/oidc/callback?state=x&code=y"),
        page.provider,
    )


def test_a_password_may_be_changed_as_often_as_the_page_says(page: Page, gateway: Gateway) -> None:
    """A-31, B-27, D-20, D-38: the change is refused for what is new, so that nothing else counts it."""
    name = "carol"
    gateway.add(name)
    visitor = gateway.visitor().sign_in(name)
    form = visitor.get("/account/profile")
    assert form.status_code == 200
    fields = find_form(form.text, "/account/password").fields | {
        "current": GOOD,
        "password": "short",
        "password_again": "short",
    }
    check_spent(lambda _: visitor.post("/account/password", fields), page.password)


def test_codes_may_be_tried_as_often_as_the_page_says(page: Page, gateway: Gateway) -> None:
    """A-30, B-26: codes of an authenticator app. After every second wrong one a right one, or a lock would be first."""
    gateway.add("dora")
    secret = gateway.visitor().sign_in("dora").enrol()
    where = gateway.visitor().address
    codes = ["000000", "000000", code_of(secret, later=1), "000000", "000000", "000000"]

    def begin() -> tuple[Visitor, str]:
        visitor = Visitor(gateway, where)
        pending = visitor.try_password("dora", GOOD).headers["location"]
        assert "/login/factor" in pending
        return visitor, pending.removeprefix(gateway.url)

    begun = [begin()] * 3 + [begin()] * 3
    tries = page.otp[0]
    answers = [
        visitor.fill(pending, {"code": code}, action="/login/factor")
        for (visitor, pending), code in list(zip(begun, codes, strict=True))[: tries + 1]
    ]
    assert [answer.status_code for answer in answers[:tries]] == [403, 403, 303, 403, 403][:tries]
    check_wait(answers[tries], page.otp)
