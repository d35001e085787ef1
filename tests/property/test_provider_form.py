"""What was written of a provider is read back as it was."""

import string
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from doorward.rules.provider import ALGORITHMS, SHARED_CALLBACKS, ClientAuth, Kind, Par, Provider, check_provider
from doorward.rules.provider_form import FLAGS, format_fields, from_settings, parse_fields, to_settings
from doorward.rules.span import format_span, parse_span
from doorward.rules.upstream import StoredProvider
from tests.fakes.system import START
from tests.fakes.upstream import ISSUER, a_provider

WORD = st.text(string.ascii_letters + string.digits + "-_:/", min_size=1, max_size=12)
GROUP = st.text(string.ascii_letters, min_size=1, max_size=12)
THEIRS = st.text(string.ascii_letters + " =,äλ😀", min_size=1, max_size=12).map(str.strip).filter(bool)
HOST = st.text(string.ascii_lowercase, min_size=1, max_size=12).map("{}.test".format)
FIELDS = sorted({*format_fields(a_provider()), *FLAGS})
SPAN = st.integers(min_value=60, max_value=10**8).map(lambda seconds: timedelta(seconds=seconds))


@st.composite
def providers(draw):
    """Providers that can be used."""
    with_groups = draw(st.booleans())
    with_admin = draw(st.booleans())
    provider = Provider(
        id="idp",
        kind=Kind.OIDC,
        name=draw(THEIRS),
        icon=draw(st.sampled_from(["", "key"])),
        issuer=draw(st.one_of(st.just(ISSUER), HOST.map("https://{}/Realm/".format))),
        discovery_url=draw(st.sampled_from(["", "https://id.example.test/x?y=z"])),
        client_id=draw(WORD),
        client_secret="s3cret",
        client_auth=draw(st.sampled_from([None, ClientAuth.BASIC, ClientAuth.POST])),
        scopes=("openid", *draw(st.lists(WORD.filter(lambda word: word != "openid"), unique=True, max_size=4))),
        redirect_path=draw(st.sampled_from(["", "/login/callback/idp", *SHARED_CALLBACKS])),
        algorithms=tuple(draw(st.lists(st.sampled_from(ALGORITHMS), unique=True, min_size=1))),
        par=draw(st.sampled_from(Par)),
        prompt=" ".join(draw(st.lists(st.sampled_from(["login", "consent", "select_account"]), unique=True))),
        max_age=draw(st.none() | SPAN),
        acr_values=tuple(draw(st.lists(WORD, unique=True, max_size=3))),
        groups_claim="groups" if with_groups else "",
        groups_rename=tuple(draw(st.dictionaries(THEIRS, GROUP, max_size=3)).items()) if with_groups else (),
        groups_prefix=draw(st.sampled_from(["", "idp-"])) if with_groups else "",
        allowed_groups=frozenset(draw(st.sets(THEIRS, max_size=3))) if with_groups else frozenset(),
        admin_claim="roles" if with_admin else "",
        admin_value=draw(THEIRS) if with_admin else "",
        allowed_emails=frozenset(draw(st.sets(HOST.map("alice@{}".format), max_size=3))),
        allowed_domains=frozenset(draw(st.sets(HOST, max_size=3))),
        auto_provision=draw(st.booleans()),
        link_by_email=draw(st.booleans()),
        trust_mfa=draw(st.booleans()),
        logout=draw(st.booleans()),
        check_every=draw(st.none() | SPAN),
        enabled=draw(st.booleans()),
        from_file=False,
    )
    assert check_provider(provider) == []
    return provider


@given(providers())
def test_settings_are_read_back_as_they_were_written(provider):
    stored = StoredProvider(id=provider.id, settings=to_settings(provider), enabled=provider.enabled, changed_at=START)
    assert from_settings(stored, client_secret=provider.client_secret, private_key="") == provider


@given(providers())
def test_a_form_that_is_sent_as_it_was_shown_changes_nothing(provider):
    assert parse_fields(format_fields(provider), id=provider.id, stored=provider) == provider


@given(providers(), st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=40)))
def test_whatever_is_typed_comes_to_a_usable_provider_or_to_problems(provider, typed):
    read = parse_fields({**format_fields(provider), **typed}, id=provider.id, stored=provider)
    assert check_provider(read) == [] if isinstance(read, Provider) else read


@given(st.integers(min_value=1, max_value=3660 * 86400))
def test_a_span_is_read_back_as_it_was_written(seconds):
    span = timedelta(seconds=seconds)
    assert parse_span(format_span(span)) == span
