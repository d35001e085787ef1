"""The description of the API at `/api/openapi.json`: what the framework cannot know by itself."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from doorward.web.api.scopes import scope_of

OPEN: Final = frozenset({"get_csrf_token", "get_mode", "get_registration"})
"""The operations that need nobody signed in."""
GUARDED: Final = frozenset({"export"})
"""The operations that change nothing and ask for the CSRF token all the same."""
UNSAFE: Final = frozenset({"post", "put", "patch", "delete"})
_OF_FRAMEWORK: Final = ("HTTPValidationError", "ValidationError")
_TAGS: Final = {
    "account": "One's own account.",
    "factors": "One's own second factors.",
    "sessions": "Sign-ins: one's own, and for administrators everybody's.",
    "app-keys": "Keys for apps and for this API: one's own, and for administrators everybody's.",
    "users": "Everybody's accounts, for administrators.",
    "invites": "Invitations, for administrators.",
    "policy": "Who needs a second factor, who may make an account, and whether passwords are taken.",
    "incident": "A lockdown, for administrators.",
    "keys": "Names and ages of keys, and a new key of session cookies, for administrators.",
    "backups": "Backups, and restoring them, for administrators.",
    "alerts": "What operators are told of, for administrators.",
    "mail": "Mail that was sent or waits, for administrators.",
    "providers": "The providers that people sign in with, for administrators.",
    "aliases": "Addresses that other programs know, for what stands elsewhere here.",
    "installation": "How people sign in here, and what a program needs before anything else.",
}


def describe_api(app: FastAPI, *, cookie: str) -> None:
    """Have the application describe itself as it is. `cookie`: the name of the session cookie."""

    def make() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title,
                version=app.version,
                summary="What people and administrators do at Doorward, for programs.",
                description=(
                    "Send a key that has the scope an operation asks for, or the session cookie of somebody who is "
                    "signed in. With a cookie, whatever changes something also asks for the CSRF token of "
                    "`GET /api/auth/csrf-token`, with its cookie. Whatever is refused is a problem document (RFC 9457) "
                    "with a `code` that never changes."
                ),
                routes=app.routes,
                tags=[{"name": name, "description": text} for name, text in _TAGS.items()],
            )
            app.openapi_schema = _mend(made, cookie)
        return app.openapi_schema

    app.openapi = make  # type: ignore[method-assign]


def _mend(made: dict[str, Any], cookie: str) -> dict[str, Any]:
    made["components"]["securitySchemes"] = {
        "session": {"type": "apiKey", "in": "cookie", "name": cookie, "description": "Of somebody who is signed in."},
        "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token", "description": "With every change."},
        "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "A key with the scope named."},
        "bearer": {"type": "http", "scheme": "bearer", "description": "A key or an access token."},
        "basic": {"type": "http", "scheme": "basic", "description": "A key as the password of any user name."},
    }
    for path, item in made["paths"].items():
        for method, operation in item.items():
            operation["security"] = _security_of(method, path, operation["operationId"])
            # The framework would call it by the function's name.
            sentence, _, _ = operation["description"].partition(". ")
            if "aliases" not in operation["tags"]:
                operation["summary"] = " ".join(sentence.split()).removesuffix(".")
            if "requestBody" in operation:
                operation["responses"]["413"] = {**operation["responses"]["400"], "description": "Too large"}
            # What does not fit the description is a problem document with status 400, not the framework's own.
            if _OF_FRAMEWORK[0] in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
    for name in _OF_FRAMEWORK:
        made["components"]["schemas"].pop(name, None)
    return made


def _security_of(method: str, path: str, operation_id: str) -> list[dict[str, list[str]]]:
    if operation_id in OPEN:
        return []
    security: list[dict[str, list[str]]] = [
        {"session": [], "csrf": []} if method in UNSAFE or operation_id in GUARDED else {"session": []}
    ]
    scope = scope_of(method.upper(), path)
    if scope is not None:
        security += ({scheme: [scope.value]} for scheme in ("key", "bearer", "basic"))
    return security
