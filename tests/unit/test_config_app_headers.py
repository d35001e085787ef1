"""What apps are sent, as the configuration has it."""

import pytest

from doorward.config.access import App
from doorward.config.policy import build_policy
from doorward.config.spelling import spell
from doorward.rules.app_header import parse_basic, parse_header
from tests.fakes.configured import load, problems_of


def app(keys: str) -> str:
    return f"apps: [{{name: Graphs, hosts: graphs.example.com, {keys}}}]\n"


def headers_of(keys: str) -> object:
    (built,) = build_policy(load(app(keys)).config).apps
    return built.headers


def test_an_app_is_sent_headers_and_a_name_with_a_password() -> None:
    assert headers_of('headers: {X-WEBAUTH-USER: "{user}", X-Role: "{groups:g-}"}') == (
        parse_header("X-WEBAUTH-USER", "{user}"),
        parse_header("X-Role", "{groups:g-}"),
    )
    assert headers_of('headers: ["X-WEBAUTH-USER: {user}"]') == (parse_header("X-WEBAUTH-USER", "{user}"),)
    assert headers_of("basic: {user: admin, secret: nas}") == (parse_basic("admin", "nas"),)
    assert headers_of("basic: null, headers: {}") == ()


def test_what_is_shown_of_the_configuration_can_be_read_again() -> None:
    (found,) = load(app('headers: {X-WEBAUTH-USER: "{user}"}, basic: {user: admin, secret: nas}')).config.apps
    spelled = spell(found)
    assert spelled["headers"] == ["X-WEBAUTH-USER: {user}"]
    assert spelled["basic"] == {"user": "admin", "secret": "nas"}
    again = App(name="Graphs", hosts=("graphs.example.com",), headers=spelled["headers"], basic=spelled["basic"])  # type: ignore[arg-type]
    assert (again.headers, again.basic) == (found.headers, found.basic)
    assert App(name="G", hosts=found.hosts, headers=found.headers, basic=found.basic).headers == found.headers


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("headers: text", "not headers and what they hold"),
        ("headers: [text]", "not a header and what it holds"),
        ("headers: {X-A: 1}", "1 is not text"),
        ('headers: {X-A: "{password}"}', "stands for nothing"),
        ('headers: {Host: "{user}"}', "not to be set for an app"),
        ('headers: {X_A: "{user}"}', "no header's name"),
        ('headers: {X-A: "{user}", x-a: "{email}"}', "stands twice"),
        ("headers: [" + ", ".join(f'"X-{number}: a"' for number in range(33)) + "]", "at most 32"),
        ("basic: admin", "not a name and a secret"),
        ("basic: {user: admin}", "not a name and a secret"),
        ("basic: {user: admin, secret: nas, more: x}", "not a name and a secret"),
        ('basic: {user: "a:b", secret: nas}', "no colon"),
        ('basic: {user: "{name}", secret: nas}', "{user} and {email} only"),
        ('basic: {user: admin, secret: nas}, headers: {Authorization: "x"}', "cannot both be sent"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_place(keys: str, words: str) -> None:
    (problem,) = problems_of(app(keys))
    assert problem.startswith("apps[0]")
    assert words in problem
    assert " -- " in problem


def test_a_header_that_means_something_already_is_refused() -> None:
    remote = app('headers: {Remote-User: "{email}"}')
    assert headers_of('headers: {Remote-User: "{email}"}') != ()
    (problem,) = problems_of(remote + "headers: {remote_user: true}\n")
    assert "Remote-User is sent to every app already" in problem
    trusted = "authn: {trusted_header: {name: X-Sso-User, networks: [10.0.0.1/32]}}\nproxy: {trusted: [10.0.0.2]}\n"
    problems = problems_of(app('headers: {X-SSO-USER: "{user}"}') + trusted)
    assert any("X-SSO-USER says to us who somebody is" in problem for problem in problems)
