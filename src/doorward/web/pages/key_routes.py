"""Which page about keys answers where: a part of the one table."""

from collections.abc import Callable

from doorward.flows.bundle import Flows
from doorward.flows.throttle import Bucket
from doorward.rules.policy import Policy
from doorward.web.pages.app_keys import AppKeysPage
from doorward.web.pages.desk import Desk
from doorward.web.pages.key_maker import KeyMaker
from doorward.web.pages.own_keys import OwnKeysPage
from doorward.web.pages.programs import ProgramsPage
from doorward.web.route import Route, Routes, Who


def build_key_routes(desk: Desk, flows: Flows, policy: Callable[[], Policy]) -> Routes:
    """One's own keys, everybody's, and those of services."""
    maker = KeyMaker(desk, flows.app_keys, policy)
    own = OwnKeysPage(desk, flows.app_keys, flows.factors, flows.lockdowns, maker)
    everybodys = AppKeysPage(desk, flows.app_keys, flows.factors, policy)
    services = ProgramsPage(desk, flows.administration, flows.app_keys, flows.factors, maker)
    return {
        "/keys": Route(Who.SOMEBODY, get=own.get),
        "/keys/new": Route(Who.SOMEBODY, get=own.get_new, post=own.post_new),
        "/keys/revoke": Route(Who.SOMEBODY, post=own.post_revoke, back="/keys"),
        "/keys/rename": Route(Who.SOMEBODY, post=own.post_rename, back="/keys"),
        "/keys/wake": Route(Who.SOMEBODY, post=own.post_wake, back="/keys"),
        "/admin/app-keys": Route(Who.ADMINISTRATOR, get=everybodys.get),
        "/admin/app-keys/revoke": Route(Who.ADMINISTRATOR, post=everybodys.post_revoke, back="/admin/app-keys"),
        "/admin/app-keys/wake": Route(Who.ADMINISTRATOR, post=everybodys.post_wake, back="/admin/app-keys"),
        "/admin/app-keys/revoke-many": Route(
            Who.ADMINISTRATOR,
            get=everybodys.get_revoke_many,
            post=everybodys.post_revoke_many,
            also_counts=Bucket.DESTRUCTIVE,
        ),
        "/admin/services": Route(Who.ADMINISTRATOR, get=services.get, post=services.post),
        "/admin/services/key": Route(Who.ADMINISTRATOR, get=services.get_key, post=services.post_key),
        "/admin/services/act": Route(Who.ADMINISTRATOR, post=services.post_act, back="/admin/services"),
        "/admin/services/delete": Route(
            Who.ADMINISTRATOR, post=services.post_delete, back="/admin/services", also_counts=Bucket.DESTRUCTIVE
        ),
    }
