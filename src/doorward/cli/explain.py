"""`doorward explain`: why a request would be allowed or refused, by the decision that answers real checks."""

from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from json import dumps
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from doorward.app.house import House, has_data, read_clock
from doorward.cli.configured import load
from doorward.cli.house import ConfigOption, JsonOption, in_house
from doorward.config.policy import build_policy
from doorward.config.schema import Config
from doorward.errors import InputError, NotFoundError
from doorward.rules.access import Allow, Challenge, Deny, Verdict
from doorward.rules.app_key import KeyId
from doorward.rules.explain import Considered, Explanation
from doorward.rules.explain import explain as explain_request
from doorward.rules.identity import User
from doorward.rules.key_subject import subject_of
from doorward.rules.names import parse_login
from doorward.rules.remedy import assume_session
from doorward.rules.request import AccessRequest, parse_host, parse_method, parse_scheme, parse_target
from doorward.rules.session import Method, Subject
from doorward.rules.single_user import SingleUser, stand_in

_SECOND_FACTORS = {"totp": Method.TOTP, "passkey": Method.PASSKEY}


def explain(
    url: Annotated[str, typer.Argument(help="The whole address, such as https://admin.example.com/x.")],
    *,
    user: Annotated[
        str | None, typer.Option("--user", metavar="NAME", help="Who asks, signed in just now. Default: nobody.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="ID", help="Who asks: the owner of this key, by it (`key list`).")
    ] = None,
    key_in_url: Annotated[bool, typer.Option("--key-in-url", help="The key stands in the address.")] = False,
    factor: Annotated[
        str | None, typer.Option("--factor", metavar="totp|passkey", help="The second factor shown at sign-in.")
    ] = None,
    method: Annotated[str, typer.Option("--method", help="The HTTP method.")] = "GET",
    address: Annotated[
        str | None, typer.Option("--from", metavar="ADDRESS", help="The visitor's address. Default: unknown.")
    ] = None,
    proto: Annotated[
        str | None, typer.Option("--proto", metavar="http|https", help="Instead of the address's own scheme.")
    ] = None,
    preflight: Annotated[bool, typer.Option("--preflight", help="It is a CORS preflight.")] = False,
    cross_site: Annotated[
        bool, typer.Option("--cross-site", help="A page of another origin has the browser send it.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Say why a request would be allowed or refused, and what would change that. Exit code 0 either way."""
    loaded = load(config, allow_insecure_http=True)  # nothing is served here
    request = read_request(url, method=method, client=address, scheme=proto, preflight=preflight)
    request = request._replace(cross_site=cross_site, key_in_url=key_in_url)
    now = read_clock()
    subject = _find_subject(loaded.config, config, user=user, key=key, factor=factor, now=now)
    if key_in_url and key is None:
        raise InputError("say which key stands in the address, with --key")
    single_user = _find_single_user(config, loaded.config) if subject is None else None
    found_out = explain_request(request, subject, build_policy(loaded.config), now=now, single_user=single_user)
    if json:
        typer.echo(dumps(to_json(found_out), indent=2, ensure_ascii=False))
    else:
        typer.echo("\n".join(to_text(found_out)))


def read_request(
    url: str, *, method: str = "GET", client: str | None = None, scheme: str | None = None, preflight: bool = False
) -> AccessRequest:
    """The request as the gate would read it. InputError for what the gate would refuse."""
    parts = urlsplit(url)
    if not parts.netloc:
        raise InputError("give the whole address, such as https://admin.example.com/x")
    host, port = parse_host(parts.netloc)
    _, _, rest = url.partition("://")
    cut = min((rest.find(mark) for mark in "/?" if mark in rest), default=len(rest))
    target = rest[cut:]
    path, target, ambiguous = parse_target((target if target.startswith("/") else "/" + target).encode("utf-8"))
    return AccessRequest(
        method=parse_method(method),
        scheme=parse_scheme(scheme or parts.scheme),
        host=host,
        path=path,
        target=target,
        ambiguous=ambiguous,
        client=_read_address(client),
        port=port,
        preflight=preflight,
    )


def to_text(found: Explanation) -> list[str]:
    """The explanation for people."""
    who = f"{found.user.name}" if found.user else "somebody not signed in"
    lines = [f"{found.request.method} {found.request.url} as {who}"]
    if found.stands_in:
        lines[0] += ", whom that network stands for: nobody is signed in"
    if found.groups:
        lines.append(f"  groups: {', '.join(sorted(found.groups))}")
    if found.app is not None:
        lines.append(f"  app: {found.app.name}")
    if found.key is not None:
        lines.append(f"  by the key: {found.key.name} ({found.key.id})")
    elif found.ended is not None:
        lines.append(f"  session: ended ({found.ended.value})")
    lines += ["", f"{_word(found.verdict)}: {found.verdict.reason.value}. {found.verdict.reason.sentence}"]
    if found.verdict.rule is not None:
        lines.append(f"  decided by the {found.verdict.rule.effect.value} rule {found.verdict.rule.name!r}")
    lines.append("")
    if not found.is_known:
        lines.append(f"No rule and no app speaks of {found.request.host}.")
    for each in found.considered:
        lines += _rule_lines(each)
    if found.others:
        lines.append(f"{found.others} more for other hosts: not considered.")
    if found.remedy is not None:
        lines += ["", f"This would change it ({_word(found.remedy.verdict)}: {found.remedy.verdict.reason.value}):"]
        lines += [f"  {position}. {step}" for position, step in enumerate(found.remedy.steps, 1)]
    return lines


def to_json(found: Explanation) -> dict[str, object]:
    """The explanation for machines."""
    return {
        "request": {
            "method": found.request.method,
            "url": found.request.url,
            "host": found.request.host,
            "path": found.request.path,
            "ambiguous": found.request.ambiguous,
            "client": str(found.request.client) if found.request.client else None,
            "preflight": found.request.preflight,
            "cross_site": found.request.cross_site,
        },
        "user": found.user.name if found.user else None,
        "key": {"id": found.key.id, "name": found.key.name} if found.key else None,
        "single_user": found.stands_in,
        "groups": sorted(found.groups),
        "session_ended": found.ended.value if found.ended else None,
        "app": found.app.name if found.app else None,
        "host_known": found.is_known,
        **_verdict(found.verdict),
        "considered": [
            {
                "rule": each.rule.name,
                "effect": each.rule.effect.value,
                "applies": each.applies,
                "missing": each.missing.value if each.missing else None,
                "conditions": [
                    {"what": condition.what, "held": condition.held, "why": condition.why}
                    for condition in each.conditions
                ],
            }
            for each in found.considered
        ],
        "not_considered": found.others,
        "remedy": {"steps": list(found.remedy.steps), **_verdict(found.remedy.verdict)} if found.remedy else None,
    }


def _verdict(verdict: Verdict) -> dict[str, object]:
    return {
        "verdict": type(verdict).__name__.lower(),
        "reason": verdict.reason.value,
        "rule": verdict.rule.name if verdict.rule else None,
    }


def _word(verdict: Verdict) -> str:
    match verdict:
        case Allow():
            return "ALLOWED"
        case Challenge():
            return "ASKED TO SIGN IN"
        case Deny():
            return "DENIED"


def _rule_lines(each: Considered) -> list[str]:
    state = "matches" if each.applies else "does not match"
    if each.missing is not None:
        state = f"matches and does not hold ({each.missing.value})"
    elif each.applies and each.rule.requirement is not None:
        state = "matches and holds"
    lines = [f"{each.rule.effect.value} rule {each.rule.name!r} {state}"]
    lines += [f"  {'+' if condition.held else '-'} {condition.what}: {condition.why}" for condition in each.conditions]
    return lines


def _read_address(text: str | None) -> IPv4Address | IPv6Address | None:
    if text is None:
        return None
    try:
        return ip_address(text)
    except ValueError:
        raise InputError(f"{text!r} is not an address") from None


def _read_factor(text: str | None) -> frozenset[Method]:
    if text is None:
        return frozenset()
    if text not in _SECOND_FACTORS:
        raise InputError("the factor is totp or passkey")
    return frozenset({_SECOND_FACTORS[text]})


def _find_subject(
    config: Config, path: Path | None, *, user: str | None, key: str | None, factor: str | None, now: datetime
) -> Subject | None:
    if user is None and key is None:
        return None
    if key is not None and (user is not None or factor is not None):
        raise InputError("a key asks as its owner, and shows no factor: leave --user and --factor out")
    if not has_data(config):
        raise NotFoundError(f"there are no accounts yet: {config.storage.path} holds no database")
    if key is not None:
        return _find_key(path, KeyId(key))
    methods = frozenset({Method.PASSWORD}) | _read_factor(factor)
    found = _find_user(path, user or "")
    return Subject(found, assume_session(found, now, methods=methods))


def _find_key(config: Path | None, key_id: KeyId) -> Subject:
    async def act(house: House) -> Subject:
        async with house.storage.records.transaction() as transaction:
            key = await transaction.find_app_key(key_id)
            owner = await transaction.find_user(key.user_id) if key is not None else None
        if key is None or owner is None:
            raise NotFoundError("there is no such key; `doorward key list` lists them")
        return subject_of(key, owner)

    return in_house(config, act)


def _find_single_user(path: Path | None, config: Config) -> SingleUser | None:
    name = config.single_user.user
    if not name or not has_data(config):
        return None
    return stand_in(_look_up(path, name), networks=config.single_user.networks, proxies=config.proxy.networks)


def _look_up(config: Path | None, login: str) -> User | None:
    async def act(house: House) -> User | None:
        async with house.storage.records.transaction() as transaction:
            return await transaction.find_user_by_login(login)

    return in_house(config, act)


def _find_user(config: Path | None, text: str) -> User:
    login = parse_login(text)
    user = _look_up(config, login) if login is not None else None
    if user is None:
        raise NotFoundError(f"there is no account called {text!r}")
    return user
