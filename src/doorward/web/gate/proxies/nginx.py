"""nginx's auth_request: knows 200, 401 and 403 only; anything else becomes a 500 for the visitor (C10).

A redirect is a 401 with a Location that the recipe's `error_page 401` turns into a 302.
"""

import re
from http import HTTPStatus

from doorward.errors import InputError
from doorward.web.gate.dialect import Fields, Headers, Identity, Question, require

_URL = re.compile(rb"([A-Za-z]+)://([^/?#]*)(/.*)", re.DOTALL)


class Nginx:
    """`proxy_set_header` with an empty value removes the header, so empty is safe."""

    name = "nginx"
    prefix = False
    asks_by = None

    def read(self, fields: Fields, method: bytes, target: bytes) -> Question:  # noqa: ARG002 -- the dialect's shape
        """Read `X-Original-Method` and `X-Original-URL`, which the recipe builds from `$host` and `$request_uri`."""
        url = _URL.fullmatch(require(fields, b"x-original-url"))
        if url is None:
            raise InputError("X-Original-URL is not an absolute URL")
        return (require(fields, b"x-original-method"), url[1], url[2], url[3])

    def carry(self, identity: Identity, left: Headers) -> Headers:
        """Who it is, empty headers included; what is left, for the recipe removes what is absent or empty."""
        return (*identity.headers, *(header for header in left if header[1]))

    def status(self, status: int) -> int:
        """200, 401 and 403 as they are; every other refusal is a 403."""
        if status in {HTTPStatus.OK, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return status
        return HTTPStatus.FORBIDDEN

    def redirects(self) -> bool:
        """Never: a 3xx would be a 500 for the visitor."""
        return False
