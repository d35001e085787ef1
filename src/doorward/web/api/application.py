"""The JSON API as one FastAPI application. Its URLs are the ancestor's where it had them."""

import re
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import ASGIApp
from typing_extensions import override

from doorward.errors import ConflictError, DoorwardError
from doorward.web.api.account import account_routes
from doorward.web.api.alerts import alert_routes
from doorward.web.api.aliases import alias_routes
from doorward.web.api.app_keys import app_key_routes
from doorward.web.api.app_secrets import app_secret_routes
from doorward.web.api.audit import audit_routes
from doorward.web.api.backups import backup_routes, upload_routes
from doorward.web.api.credentials import CHALLENGE
from doorward.web.api.description import describe_api
from doorward.web.api.everybody import everybody_routes
from doorward.web.api.factors import factor_routes
from doorward.web.api.importing import import_routes
from doorward.web.api.incident import incident_routes
from doorward.web.api.installation import installation_routes
from doorward.web.api.invites import invite_routes
from doorward.web.api.keys import key_routes
from doorward.web.api.letters import letter_routes
from doorward.web.api.own_keys import key_alias_routes, own_key_routes
from doorward.web.api.own_sessions import own_session_routes
from doorward.web.api.parts import CORRELATION_KEY, ApiParts, UnauthorizedError
from doorward.web.api.policy import policy_routes
from doorward.web.api.privacy import privacy_routes
from doorward.web.api.problems import PROBLEM_TYPE, Code, Problem, ProblemError, clash, malformed
from doorward.web.api.providers import provider_routes
from doorward.web.api.sessions import session_routes
from doorward.web.api.users import user_routes
from doorward.web.csrf import CsrfError
from doorward.web.errors import Refusal, Words, problem, status_of

_NO_TOKEN = Words(
    "That is not allowed",
    "Send the CSRF token of this session and the cookie that comes with it: GET /api/auth/csrf-token has both.",
)
_NO_SESSION = Words("You are not signed in", "Send a key, or the session cookie of a browser that is signed in.")


class _Api(FastAPI):
    """Leaves what nobody foresaw to the server around it, which answers and logs it like that of the pages."""

    @override
    def build_middleware_stack(self) -> ASGIApp:
        """All of it but the outermost, which would answer with words of its own and be logged without a reference."""
        stack = super().build_middleware_stack()
        return stack.app if isinstance(stack, ServerErrorMiddleware) else stack


def build_api(parts: ApiParts) -> FastAPI:
    """Make the application. It answers under `/api` and expects full paths."""
    app = _Api(
        title="Doorward",
        version=parts.version,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_name_operation,
        responses={
            status: {"model": Problem, "content": {PROBLEM_TYPE: {}}, "description": text}
            for status, text in ((400, "Malformed"), (503, "A part we need does not answer"))
        },
    )
    _answer_errors(app)

    app.include_router(session_routes(parts))
    app.include_router(installation_routes(parts))
    own = (account_routes(parts), own_session_routes(parts), factor_routes(parts), backup_routes(parts))
    for routes in (*own, alias_routes(parts, own)):
        app.include_router(routes)
    for add in (
        own_key_routes,
        key_alias_routes,
        app_key_routes,
        user_routes,
        everybody_routes,
        invite_routes,
        policy_routes,
        letter_routes,
        privacy_routes,
        audit_routes,
        provider_routes,
    ):
        app.include_router(add(parts))
    app.include_router(import_routes(parts))
    app.include_router(incident_routes(parts))
    app.include_router(key_routes(parts))
    app.include_router(alert_routes(parts))
    app.include_router(app_secret_routes(parts))
    app.include_router(upload_routes(parts))
    describe_api(app, cookie=parts.cookies.session)
    return app


def _name_operation(route: APIRoute) -> str:
    """What programs that are made from the description call it: an alias after its address, too."""
    return route.name + (re.sub(r"\W+", "_", route.path_format) if "aliases" in route.tags else "")


def _answer_errors(app: FastAPI) -> None:
    """Everything that is refused is a problem document with prepared words (E-43)."""

    def answer(request: Request, status: int, *, words: Words | None = None, code: str = "") -> Response:
        correlation_id = request.scope.get(CORRELATION_KEY, "")
        return Response(problem(status, correlation_id, words=words, code=code), status, media_type=PROBLEM_TYPE)

    async def answer_problem(request: Request, error: Exception) -> Response:
        if isinstance(error, ConflictError):
            error = clash(error)
        elif isinstance(error, RequestValidationError):
            error = malformed(error.errors())
        if not isinstance(error, ProblemError):
            return answer(request, 500)
        body = error.write(request.scope.get(CORRELATION_KEY, ""))
        response = Response(body, error.status, media_type=PROBLEM_TYPE)
        if error.retry_after:
            response.headers["retry-after"] = str(error.retry_after)
        if error.challenge:
            response.headers["www-authenticate"] = error.challenge
        return response

    async def answer_fault(request: Request, error: Exception) -> Response:
        if isinstance(error, UnauthorizedError):
            response = answer(request, 401, words=_NO_SESSION)
            response.headers["www-authenticate"] = CHALLENGE
            return response
        if status_of(error) >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise error  # for an operator to mend: the server around us says so, and writes it down
        if isinstance(error, CsrfError):
            return answer(request, status_of(error), words=_NO_TOKEN, code=Code.CSRF_FAILED)
        return answer(request, status_of(error))

    async def answer_refusal(request: Request, error: Exception) -> Response:
        response = answer(request, status_of(error))
        response.raw_headers.extend(error.headers if isinstance(error, Refusal) else [])
        return response

    async def answer_http(request: Request, error: Exception) -> Response:
        response = answer(request, error.status_code if isinstance(error, HTTPException) else 500)
        if isinstance(error, HTTPException) and error.headers:
            response.headers.update(error.headers)
        return response

    app.add_exception_handler(ProblemError, answer_problem)
    app.add_exception_handler(ConflictError, answer_problem)
    app.add_exception_handler(DoorwardError, answer_fault)
    app.add_exception_handler(Refusal, answer_refusal)
    app.add_exception_handler(HTTPException, answer_http)
    app.add_exception_handler(RequestValidationError, answer_problem)
