"""Who sends a form: somebody who is signed in, on a page of ours, and who has shown recently enough who they are."""

from starlette.responses import Response

from doorward.flows.acting import Actor, actor_of
from doorward.flows.factors import Factors
from doorward.rules.factor import must_show_one
from doorward.rules.session import Subject
from doorward.web.form import Form
from doorward.web.pages.desk import Desk, login_path
from doorward.web.pages.proof import is_proven
from doorward.web.visit import Visit


def admit(desk: Desk, visit: Visit, form: Form, page: str, *, proven: bool = True) -> Subject | Response:
    """Who it is; or where they go first. `page` is where the form stands, `proven` whether the act asks for a proof."""
    if visit.subject is None:
        return desk.to_login(visit, page)
    desk.check_form(visit, form, page=page)
    if proven and not is_proven(visit.subject.session, visit.now):
        return desk.to_confirm(visit, page)
    return visit.subject


async def admit_shown(desk: Desk, visit: Visit, form: Form, page: str, factors: Factors) -> Subject | Response:
    """The same for what changes factors, or could put something in their place: who has one already shows it first."""
    subject = admit(desk, visit, form, page)
    if isinstance(subject, Response):
        return subject
    if must_show_one(await factors.list_of(subject.user), subject.session):
        return desk.redirect(visit, login_path(desk.site.public_url + page, need="two_factor"))
    return subject


async def admit_key_giver(desk: Desk, visit: Visit, form: Form, page: str, factors: Factors) -> Actor | Response:
    """The same for administrators who make keys for others, or wake them."""
    actor = admit_administrator(desk, visit, form, page)
    if isinstance(actor, Response):
        return actor
    subject = await admit_shown(desk, visit, form, page, factors)
    return subject if isinstance(subject, Response) else actor


def admit_administrator(desk: Desk, visit: Visit, form: Form, page: str) -> Actor | Response:
    """The same for administrators. ForbiddenError for who is none."""
    found = admit(desk, visit, form, page, proven=False)
    if isinstance(found, Response):
        return found
    actor = actor_of(found, visit.visitor)
    return actor if is_proven(found.session, visit.now) else desk.to_confirm(visit, page)
