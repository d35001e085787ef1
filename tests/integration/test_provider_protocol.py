"""Our client and a certified provider understand each other, with nothing in between but TLS on loopback."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from doorward.outside.fetch import GuardedFetch
from doorward.outside.system import SystemRandom
from doorward.outside.upstream.client import UpstreamClient
from doorward.rules.oidc import Arrival, Authenticated, Departure, Failure, Health, UpstreamError
from doorward.rules.outbound import OutboundPolicy, parse_allowance
from doorward.rules.provider import ClientAuth, Kind, Par, Provider, ProviderId
from tests.fakes.system import FakeClock
from tests.integration.upstream.provider import SECRET, RealProvider
from tests.integration.upstream.registered import PUBLIC_URL, SCOPES, OwnKey, callback_of
from tests.integration.upstream.walker import Walker, find_onward
from tests.integration.wire import Visitor


@dataclass(slots=True)
class Table:
    """Our client, the provider, and somebody with a browser."""

    provider: RealProvider
    client: UpstreamClient
    key: OwnKey
    clock: FakeClock
    browser: Walker

    def settings(self, name: str = "basic", **changes: Any) -> Provider:
        """What we know of the provider as this client of its."""
        given = {"private_key": self.key.pem} if name == "key" else {"client_secret": SECRET}
        return Provider(
            **{
                "id": ProviderId(name),
                "kind": Kind.OIDC,
                "name": "Test provider",
                "issuer": self.provider.issuer,
                "client_id": name,
                "scopes": SCOPES,
                **({} if name == "public" else given),
                **changes,
            }
        )

    def departure(self, name: str, **changes: Any) -> Departure:
        """A request as the flows make it."""
        drawn = {part: SystemRandom().token(32).hex() for part in ("state", "nonce", "verifier")}
        return Departure(redirect_uri=callback_of(name), **{**drawn, **changes})

    async def go(self, settings: Provider, departure: Departure, person: str = "ada") -> dict[str, str]:
        """There, through the login page if there is one, and back; the parameters of the callback."""
        page = self.browser.open(await self.client.depart(settings, departure), following=False)
        for _ in range(10):
            onward = find_onward(page)
            if onward is None:
                page = self.browser.submit(page, {"name": person, "answer": "go"}, following=False)
            elif onward.startswith(departure.redirect_uri):
                return {name: values[0] for name, values in parse_qs(urlsplit(onward).query).items()}
            else:
                page = self.browser.follow(page)
        raise AssertionError(f"the provider leads nowhere: {page.text}")

    async def arrive(
        self, settings: Provider, departure: Departure, back: dict[str, str], **changes: Any
    ) -> Authenticated:
        """Redeem what came back."""
        now = datetime.now(UTC)
        arrival = Arrival(
            **{
                "redirect_uri": departure.redirect_uri,
                "code": back["code"],
                "nonce": departure.nonce,
                "verifier": departure.verifier,
                "issuer": back["iss"],
                "max_age": departure.max_age,
                "began_at": now,
                **changes,
            }
        )
        return await self.client.arrive(settings, arrival, now=now)

    async def sign_in(self, settings: Provider, person: str = "ada", **changes: Any) -> Authenticated:
        """The whole round trip."""
        departure = self.departure(settings.client_id, **changes)
        return await self.arrive(settings, departure, await self.go(settings, departure, person))


@pytest.fixture
async def table(real_provider: RealProvider, own_key: OwnKey) -> Table:
    """A new client and a new browser at the provider of the run."""
    clock = FakeClock()
    policy = OutboundPolicy((parse_allowance(f"127.0.0.1:{real_provider.port}"),))
    fetch = GuardedFetch(policy, ca_file=real_provider.authority)
    client = UpstreamClient(fetch=fetch, clock=clock, random=SystemRandom())
    visitor = Visitor(real_provider.port, real_provider.authority)
    real_provider.order("journal")
    return Table(real_provider, client, own_key, clock, Walker(lambda _host, _port: visitor))


async def refusal(awaitable: Any) -> Failure:
    with pytest.raises(UpstreamError) as refused:
        await awaitable
    return refused.value.failure


@pytest.mark.parametrize(
    ("name", "auth"),
    [
        ("basic", ClientAuth.BASIC),
        ("basic", None),
        ("post", ClientAuth.POST),
        ("key", ClientAuth.PRIVATE_KEY),
        ("key", None),
        ("public", ClientAuth.NONE),
        ("public", None),
        ("pushed", None),
    ],
)
async def test_the_provider_knows_us_by_every_proof_there_is(table: Table, name: str, auth: ClientAuth | None) -> None:
    """`client_secret_basic`, `client_secret_post`, `private_key_jwt`, `none`; chosen by us or set."""
    who = await table.sign_in(table.settings(name, client_auth=auth))
    assert (who.issuer, who.subject, who.email) == (table.provider.issuer, "ada", "ada@example.com")
    assert who.email_verified
    assert who.claims["groups"] == ["engine", "poets"]
    assert who.amr == {"pwd", "otp"}


async def test_a_wrong_secret_is_said_to_be_the_clients_fault(table: Table) -> None:
    for par in (Par.AUTO, Par.NEVER):
        settings = table.settings(client_secret="not the secret, though as long", par=par)
        assert await refusal(table.sign_in(settings)) is Failure.CLIENT_REFUSED


async def test_somebody_without_a_verified_address_is_told_to_be_that(table: Table) -> None:
    who = await table.sign_in(table.settings(), "cyd")
    assert (who.email, who.email_verified) == ("cyd@example.com", False)


async def test_requests_are_pushed_where_the_provider_takes_them(table: Table) -> None:
    """RFC 9126: the browser then carries a reference and nothing else."""
    url = await table.client.depart(table.settings("pushed"), table.departure("pushed"))
    assert set(parse_qs(urlsplit(url).query)) == {"client_id", "request_uri"}
    assert [each["authorization"] for each in table.provider.requests("/request")] == ["Basic"]
    url = await table.client.depart(table.settings(par=Par.NEVER), table.departure("basic"))
    assert "request_uri" not in parse_qs(urlsplit(url).query)
    assert table.provider.requests("/request") == []


async def test_a_provider_that_insists_on_pkce_is_satisfied_by_us_alone(table: Table) -> None:
    """RFC 7636: without the challenge it refuses; with it, the code is worth nothing without the verifier."""
    settings, departure = table.settings(par=Par.NEVER), table.departure("basic")
    parts = urlsplit(await table.client.depart(settings, departure))
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert query["code_challenge_method"] == "S256"
    without = urlencode({name: value for name, value in query.items() if not name.startswith("code_challenge")})
    page = table.browser.open(parts._replace(query=without).geturl(), following=False)
    assert "error=invalid_request" in (find_onward(page) or "")
    back = await table.go(settings, departure)
    assert await refusal(table.arrive(settings, departure, back, verifier="w" * 64)) is Failure.CODE_REFUSED


async def test_a_code_counts_once_and_a_second_use_takes_back_the_first(table: Table) -> None:
    settings, departure = table.settings("tied"), table.departure("tied")
    back = await table.go(settings, departure)
    who = await table.arrive(settings, departure, back)
    assert await refusal(table.arrive(settings, departure, back)) is Failure.CODE_REFUSED
    renewal = table.client.renew(settings, who.refresh_token, subject="ada", now=datetime.now(UTC))
    assert await refusal(renewal) is Failure.CODE_REFUSED


async def test_keys_may_change_while_somebody_is_on_the_way(table: Table) -> None:
    """With the old keys remembered and gone from the provider."""
    settings, departure = table.settings(), table.departure("basic")
    await table.sign_in(settings)
    back = await table.go(settings, departure)
    table.provider.order("rotate", keep=False)
    assert (await table.arrive(settings, departure, back)).subject == "ada"
    assert len(table.provider.requests("/jwks")) == 2
    table.provider.order("rotate", keep=True)
    table.clock.advance(timedelta(seconds=6))
    assert (await table.sign_in(settings)).subject == "ada"


async def test_somebody_is_asked_again_when_we_say_so(table: Table) -> None:
    """`prompt=login` and `max_age` bring the login page back, and `auth_time` proves it."""
    settings = table.settings()
    first = await table.sign_in(settings)
    asked = len([step for step in table.browser.steps if "/interaction/" in step])
    again = await table.sign_in(settings)
    assert again.auth_time == first.auth_time
    assert len([step for step in table.browser.steps if "/interaction/" in step]) == asked
    fresh = await table.sign_in(settings, prompt="login", max_age=timedelta(0))
    assert len([step for step in table.browser.steps if "/interaction/" in step]) > asked
    assert fresh.auth_time is not None
    assert first.auth_time is not None
    assert fresh.auth_time >= first.auth_time


async def test_which_account_is_asked_when_we_say_so(table: Table) -> None:
    settings = table.settings()
    await table.sign_in(settings)
    assert (await table.sign_in(settings, "ben", prompt="select_account")).subject == "ben"


async def test_a_class_that_was_asked_for_is_told(table: Table) -> None:
    who = await table.sign_in(table.settings(), acr_values=("urn:doorward:test:mfa",))
    assert who.acr == "urn:doorward:test:mfa"


async def test_a_refresh_token_is_good_once_and_only_as_long_as_the_provider_says(table: Table) -> None:
    """Rotation; a used one ends the family; what is revoked is refused."""
    settings = table.settings("tied")
    first = (await table.sign_in(settings)).refresh_token
    renewed = await table.client.renew(settings, first, subject="ada", now=datetime.now(UTC))
    assert renewed.refresh_token not in {"", first}
    assert renewed.authenticated is not None
    assert renewed.authenticated.subject == "ada"
    for token in (first, renewed.refresh_token):
        renewal = table.client.renew(settings, token, subject="ada", now=datetime.now(UTC))
        assert await refusal(renewal) is Failure.CODE_REFUSED
    token = (await table.sign_in(settings)).refresh_token
    table.provider.order("revoke", name="ada")
    renewal = table.client.renew(settings, token, subject="ada", now=datetime.now(UTC))
    assert await refusal(renewal) is Failure.CODE_REFUSED


async def test_who_signs_out_there_comes_back_and_is_asked_the_next_time(table: Table) -> None:
    """C-41: RP-initiated logout."""
    settings = table.settings()
    who = await table.sign_in(settings)
    url = await table.client.find_logout_url(settings, id_token=who.id_token, return_url=f"{PUBLIC_URL}/signed-out")
    assert url is not None
    page = table.browser.open(url)
    end = table.browser.submit(page, {"logout": "yes"}, following=False)
    assert find_onward(end) == f"{PUBLIC_URL}/signed-out"
    page = table.browser.open(await table.client.depart(settings, table.departure("basic")))
    assert "name" in page.form.fields


async def test_who_says_no_comes_back_with_that(table: Table) -> None:
    departure = table.departure("basic")
    page = table.browser.open(await table.client.depart(table.settings(), departure))
    page = table.browser.submit(page, {"answer": "cancel"}, following=False)
    while not (find_onward(page) or "").startswith(departure.redirect_uri):
        page = table.browser.follow(page)
    query = parse_qs(urlsplit(find_onward(page) or "").query)
    assert query["error"] == ["access_denied"]
    assert query["iss"] == [table.provider.issuer]
    assert query["state"] == [departure.state]


async def test_the_examination_finds_everything_in_order(table: Table) -> None:
    """And what is not in order is found, too."""
    findings = await table.client.examine(table.settings(), public_url=PUBLIC_URL, now=datetime.now(UTC))
    assert {finding.health for finding in findings} == {Health.GOOD}
    wrong = table.settings(client_secret="not the secret, though as long")
    findings = await table.client.examine(wrong, public_url=PUBLIC_URL, now=datetime.now(UTC))
    assert Health.BAD in {finding.health for finding in findings}


@pytest.mark.parametrize(
    ("path", "failure"),
    [
        ("/.well-known/openid-configuration", Failure.UNREACHABLE),
        ("/request", Failure.UNREACHABLE),
        ("/token", Failure.UNREACHABLE),
        ("/jwks", Failure.UNREACHABLE),
        ("/me", Failure.UNREACHABLE),
    ],
)
async def test_an_endpoint_that_is_out_of_order_fails_the_sign_in_and_the_next_one_works(
    table: Table, path: str, failure: Failure
) -> None:
    table.provider.order("fault", path=path, status=503)
    try:
        assert await refusal(table.sign_in(table.settings())) is failure
    finally:
        table.provider.order("fault", path=path, status=0)
    table.clock.advance(timedelta(minutes=2))
    assert (await table.sign_in(table.settings())).subject == "ada"
