"""The providers, for administrators: list, add, change, try out; and the switch for local passwords."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup
from starlette.responses import Response

from doorward.errors import ConflictError, NotFoundError
from doorward.flows.admin import Actor, actor_of
from doorward.flows.outcome import Unacceptable
from doorward.flows.providers import Listed, Need, NeededError, Providers
from doorward.flows.ways import Ways
from doorward.rules.provider import PROVIDER_ID, Kind, Provider, ProviderId
from doorward.rules.provider_form import format_fields
from doorward.web.errors import Refusal
from doorward.web.form import Form
from doorward.web.pages.desk import Desk, subject_of
from doorward.web.pages.proof import is_just_proven, is_proven
from doorward.web.pages.provider_form import DEFAULTS, KIND_NAMES, fill, find_unshown, say
from doorward.web.pages.provider_icons import provider_icon
from doorward.web.visit import Visit

_LIST: Final = "/admin/providers"
_NOTES: Final = {
    "added": ("good", "Added, and switched off for now. Test it, then enable it."),
    "changed": ("good", "Saved. It counts from the next sign-in on."),
    "enabled": ("good", "Enabled. Its button is on the sign-in page."),
    "disabled": ("good", "Disabled. Nobody can sign in with it, and what it granted is taken back."),
    "removed": ("good", "Removed. What it granted is taken back; the accounts stay."),
    "passwords": ("good", "Done. How things stand now is said below."),
    "passwords_closed": ("warn", f"Nothing was done. {Need.PASSWORDS_CLOSED.value}"),
    "administrators": ("warn", f"Nothing was done. {Need.ADMINISTRATORS.value}"),
}
_SWITCH: Final[Mapping[str, bool | None]] = {"on": True, "off": False, "file": None}


@dataclass(frozen=True, slots=True)
class Entry:
    """A provider as the list shows it. `shadowed`: why it does not count, "" where it does."""

    id: str
    name: str
    icon: Markup
    kind: str
    issuer: str
    enabled: bool
    from_file: bool
    shadowed: str
    trouble: str


class ProvidersPage:
    """`/admin/providers` and what is under it."""

    def __init__(self, desk: Desk, providers: Providers, ways: Ways) -> None:
        self._desk = desk
        self._providers = providers
        self._ways = ways

    async def get(self, visit: Visit) -> Response:
        """Show them all."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        listed = await self._providers.list(self._actor(visit))
        kind, note = _NOTES.get(visit.query.get("done", ""), ("", ""))
        return self._desk.page(
            visit,
            "providers.html",
            here="providers",
            providers=[_entry(each) for each in listed],
            kinds=[(kind.value, name) for kind, name in KIND_NAMES.items()],
            password=await self._ways.describe_password(),
            note=note,
            note_kind=kind,
        )

    async def get_new(self, visit: Visit) -> Response:
        """The form for another one."""
        if visit.subject is None:
            return self._desk.to_login(visit, _LIST)
        self._actor(visit)
        kind = _kind_of(visit.query.get("type", Kind.OIDC.value))
        if not is_just_proven(visit.subject.session, visit.now):
            return self._desk.to_confirm(visit, f"{_LIST}/new?type={kind.value}")
        return self._form(visit, kind, DEFAULTS[kind], {})

    async def post_new(self, visit: Visit, form: Form) -> Response:
        """Add one."""
        if visit.subject is None:
            return self._desk.to_login(visit, _LIST)
        self._desk.check_form(visit, form, page=f"{_LIST}/new")
        actor = self._actor(visit)
        kind = _kind_of(form.get("type", ""))
        if not is_proven(visit.subject.session, visit.now):
            return self._desk.to_confirm(visit, f"{_LIST}/new?type={kind.value}")
        try:
            outcome = await self._providers.add(actor, form, now=visit.now)
        except ConflictError:
            outcome = Unacceptable((("id", "There is a provider of this name already."),))
        if isinstance(outcome, Unacceptable):
            return self._form(visit, kind, form, _sentences(outcome))
        return self._desk.redirect(visit, f"{_LIST}/edit/{outcome.id}?done=added")

    async def get_edit(self, visit: Visit) -> Response:
        """One of them: the form, or where the file has it what it says."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        provider = await self._find(self._actor(visit), visit.tail)
        if provider.from_file:
            return self._form(visit, provider.kind, format_fields(provider), {}, provider)
        if not is_just_proven(visit.subject.session, visit.now) and "done" not in visit.query:
            return self._desk.to_confirm(visit, visit.path)
        return self._form(visit, provider.kind, format_fields(provider), {}, provider)

    async def post_edit(self, visit: Visit, form: Form) -> Response:
        """Change one."""
        if visit.subject is None:
            return self._desk.to_login(visit)
        self._desk.check_form(visit, form, page=visit.path)
        actor = self._actor(visit)
        provider = await self._find(actor, visit.tail)
        if not is_proven(visit.subject.session, visit.now):
            return self._desk.to_confirm(visit, visit.path)
        try:
            outcome = await self._providers.change(
                actor, provider.id, {**form, "type": provider.kind.value}, now=visit.now
            )
        except NeededError as error:
            return self._desk.redirect(visit, f"{_LIST}?done={error.need.name.lower()}")
        if isinstance(outcome, Unacceptable):
            return self._form(visit, provider.kind, form, _sentences(outcome), provider)
        return self._desk.redirect(visit, f"{_LIST}?done=changed")

    async def post_test(self, visit: Visit, form: Form) -> Response:
        """Try one out, as far as that goes without a person."""
        if visit.subject is None:
            return self._desk.to_login(visit, _LIST)
        self._desk.check_form(visit, form, page=_LIST)
        actor = self._actor(visit)
        provider = await self._find(actor, form.get("provider", ""))
        findings = await self._providers.test(actor, provider.id, now=visit.now)
        return self._desk.page(
            visit,
            "provider_test.html",
            here="providers",
            provider=_entry_of(provider),
            findings=findings,
            redirect_uri=self._desk.site.public_url + provider.callback,
            at=visit.now,
        )

    async def post_enable(self, visit: Visit, form: Form) -> Response:
        """Switch one on."""
        return await self._set_enabled(visit, form, enabled=True)

    async def post_disable(self, visit: Visit, form: Form) -> Response:
        """Switch one off."""
        return await self._set_enabled(visit, form, enabled=False)

    async def _set_enabled(self, visit: Visit, form: Form, *, enabled: bool) -> Response:
        actor = self._begin_act(visit, form)
        if isinstance(actor, Response):
            return actor
        try:
            await self._providers.set_enabled(actor, ProviderId(form.get("provider", "")), enabled, now=visit.now)
        except NeededError as error:
            return self._desk.redirect(visit, f"{_LIST}?done={error.need.name.lower()}")
        return self._desk.redirect(visit, f"{_LIST}?done={'enabled' if enabled else 'disabled'}")

    async def post_remove(self, visit: Visit, form: Form) -> Response:
        """Remove one."""
        actor = self._begin_act(visit, form)
        if isinstance(actor, Response):
            return actor
        try:
            await self._providers.remove(actor, ProviderId(form.get("provider", "")), now=visit.now)
        except NeededError as error:
            return self._desk.redirect(visit, f"{_LIST}?done={error.need.name.lower()}")
        return self._desk.redirect(visit, f"{_LIST}?done=removed")

    async def post_passwords(self, visit: Visit, form: Form) -> Response:
        """Say whether local passwords are wanted."""
        actor = self._begin_act(visit, form)
        if isinstance(actor, Response):
            return actor
        wanted = form.get("wanted", "")
        if wanted not in _SWITCH:
            raise Refusal(400)
        await self._ways.set_password(actor, _SWITCH[wanted], now=visit.now)
        return self._desk.redirect(visit, f"{_LIST}?done=passwords")

    def _begin_act(self, visit: Visit, form: Form) -> Actor | Response:
        """Who acts, or the answer where they may not yet."""
        if visit.subject is None:
            return self._desk.to_login(visit, _LIST)
        self._desk.check_form(visit, form, page=_LIST)
        actor = self._actor(visit)
        if not is_proven(visit.subject.session, visit.now):
            return self._desk.to_confirm(visit, _LIST)
        return actor

    def _actor(self, visit: Visit) -> Actor:
        return actor_of(subject_of(visit), visit.visitor)

    async def _find(self, actor: Actor, provider_id: str) -> Provider:
        listed = await self._providers.list(actor)
        found = next((each.provider for each in listed if each.provider.id == provider_id), None)
        if found is None:
            raise NotFoundError("there is no such provider")
        return found

    def _form(
        self,
        visit: Visit,
        kind: Kind,
        values: Mapping[str, str],
        wrong: Mapping[str, str],
        provider: Provider | None = None,
    ) -> Response:
        home = self._desk.site.public_url
        new = provider is None
        wished = values.get("id", "")
        name = provider.id if provider else wished if PROVIDER_ID.fullmatch(wished) else "…"
        _, note = _NOTES.get(visit.query.get("done", ""), ("", ""))
        return self._desk.page(
            visit,
            "provider_edit.html",
            status=400 if wrong else 200,
            here="providers",
            provider=_entry_of(provider) if provider else None,
            kind=kind.value,
            kind_name=KIND_NAMES[kind],
            groups=fill(kind, values, wrong, new=new),
            unshown=find_unshown(kind, wrong, new=new),
            problem="Please look at what is marked below. Nothing was saved." if wrong else "",
            note=note,
            follows=new,
            addresses=[
                ("Redirect URI", home + (provider.callback if provider else f"/login/callback/{name}")),
                *(
                    [
                        ("After signing out", f"{home}/signed-out"),
                        ("Back-channel logout", f"{home}/logout/backchannel/{name}"),
                        ("Front-channel logout", f"{home}/logout/frontchannel/{name}"),
                    ]
                    if kind is Kind.OIDC
                    else []
                ),
            ],
        )


def _kind_of(text: str) -> Kind:
    try:
        return Kind(text)
    except ValueError:
        raise Refusal(400) from None


def _sentences(unacceptable: Unacceptable) -> dict[str, str]:
    wrong: dict[str, str] = {}
    for name, told in unacceptable.problems:
        words = say(told)
        sentence = f"{words[:1].upper()}{words[1:]}{'' if words.endswith('.') else '.'}"
        wrong[name] = f"{wrong[name]} {sentence}" if name in wrong else sentence
    return wrong


def _entry(listed: Listed) -> Entry:
    return _entry_of(listed.provider, shadowed=listed.shadowed, trouble=listed.trouble)


def _entry_of(provider: Provider, *, shadowed: str = "", trouble: str = "") -> Entry:
    return Entry(
        id=provider.id,
        name=provider.name,
        icon=provider_icon(provider),
        kind=KIND_NAMES[provider.kind],
        issuer=provider.issuer,
        enabled=provider.enabled,
        from_file=provider.from_file,
        shadowed=shadowed,
        trouble=trouble,
    )
