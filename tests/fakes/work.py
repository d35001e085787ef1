"""A provider called `work` that administrators keep in the console, and the people who come through it."""

from doorward.flows.admin import CLI
from doorward.rules.provider import Provider
from doorward.rules.provider_form import format_fields
from tests.fakes.flows import a_visitor
from tests.fakes.upstream import somebody

WORK_ISSUER = "https://work.example.test"
FIELDS = {
    "id": "work",
    "type": "oidc",
    "name": "Work",
    "issuer_url": WORK_ISSUER,
    "client_id": "doorward",
    "client_secret": "w0rk",
    "groups_claim": "groups",
    "admin_claim": "roles",
    "admin_value": "admin",
    "auto_provision": "on",
}


async def add_work(town, **changes):
    added = await town.console.add(CLI, {**FIELDS, **changes}, now=town.now)
    assert isinstance(added, Provider), added
    return added


async def open_work(town, **changes):
    """Work, added and enabled."""
    added = await add_work(town, **changes)
    return await town.console.set_enabled(CLI, added.id, enabled=True, now=town.now)


async def change_work(town, provider_id="work", **changes):
    (stored,) = [each for each in await town.ways.list_all() if each.id == provider_id and not each.from_file]
    return await town.console.change(CLI, provider_id, {**format_fields(stored), **changes}, now=town.now)


def a_worker(subject="sub-wendy", **changes):
    values = {"email": f"{subject}@work.test", "user_name": subject, "claims": {"groups": ["crew"]}, **changes}
    return somebody(subject, issuer=WORK_ISSUER, **values)


def an_admin(subject="sub-wendy"):
    return a_worker(subject, claims={"groups": ["crew"], "roles": ["admin"]})


async def come_through_work(town, answer, login="root"):
    """Somebody with a password connects their account at work and signs in with it."""
    visitor = a_visitor()
    me = await town.check(await town.enter(login))
    await town.come_back(visitor, await town.leave_to_link(me, visitor, "work"), answer, subject=me)
    return await town.enter_upstream(answer, "work")
