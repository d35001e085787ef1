"""A town whose provider grants groups and administration, and people of it."""

from tests.fakes.flows import Town, a_visitor
from tests.fakes.upstream import a_provider, somebody

OTHER_ISSUER = "https://other.example.test"


def a_granting_town():
    """A town with one provider, `idp`, that grants `idp:…` groups, and administration to its `root`s."""
    made = Town()
    made.providers["idp"] = a_provider(
        groups_claim="groups", groups_prefix="idp:", admin_claim="groups", admin_value="root"
    )
    return made


def member(*groups, **changes):
    """Somebody the provider has in these groups."""
    return somebody(claims={"groups": list(groups)}, **changes)


async def try_upstream(town, answer, provider="idp"):
    """A whole round trip, that ends as it ends."""
    visitor = a_visitor()
    return await town.come_back(visitor, await town.leave(visitor, provider), answer)


def identities(town):
    """Every identity there is."""
    return list(town.store.state.identities.values())
