"""The settings of access tokens, and what must hold between them."""

import re
from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import Field, PlainValidator

from doorward.config.finding import Finding
from doorward.config.section import Section
from doorward.config.values import Secret, Text, Whole, parse_secret, refuse

LEAST_SECRET: Final = 32
"""Characters of a secret that tokens are signed with (E-03)."""
_FEWEST_LETTERS: Final = 10
_MOST_NAME: Final = 200
_PLACEHOLDERS: Final = (
    "changethis", "changeme", "changeit", "replacethis", "replaceme", "placeholder", "environmentvariable", "secret",
    "password", "passphrase", "example", "default", "insecure", "yourkey", "yourjwt", "jwtkey", "signingkey",
    "symmetrickey", "abcdefgh", "12345678", "qwerty", "letmein", "lorem", "foobar", "todo",
)  # fmt: skip
_HINT: Final = "make one with `openssl rand -base64 32`, or leave it out: one is derived from the master key"


def parse_token_secret(value: object) -> Secret:
    """Read a secret that tokens are signed with: long enough, and nobody's example (E-01, E-03)."""
    secret = parse_secret(value)
    text = secret.reveal()
    if len(text) < LEAST_SECRET:
        raise refuse(f"the secret must have {LEAST_SECRET} characters or more", _HINT)
    plain = re.sub(r"[^a-z0-9]", "", text.lower())
    if any(word in plain for word in _PLACEHOLDERS) or len(set(text)) < _FEWEST_LETTERS:
        raise refuse("the secret is a placeholder, or as good as one", _HINT)
    return secret


class Jwt(Section):
    """Access tokens for API clients. They are off unless `issuer` and `audience` are set."""

    issuer: Text = Field(
        default="",
        max_length=_MOST_NAME,
        description="What a token says of who made it. A token that says anything else opens nothing.",
    )
    audience: Text = Field(
        default="",
        max_length=_MOST_NAME,
        description="What a token says of whom it is for. A token that says anything else opens nothing.",
    )
    expiration_days: Whole = Field(
        default=7, ge=1, le=365, description="How many days a token counts, and never longer than a key may."
    )
    secret: Annotated[Secret | None, PlainValidator(parse_token_secret)] = Field(
        default=None,
        description="What tokens are signed with (HS256), where others verify them, too: 32 characters or more, and no "
        "placeholder. Unset: one is derived from the master key. With another one, tokens that were made open nothing.",
    )

    @property
    def is_on(self) -> bool:
        """Whether there are access tokens at all."""
        return bool(self.issuer and self.audience)


def check_tokens(jwt: Jwt) -> Iterator[Finding]:
    """Half of it is a mistake: whoever sets it means to have tokens."""
    if bool(jwt.issuer) != bool(jwt.audience):
        missing = "audience" if jwt.issuer else "issuer"
        yield Finding(
            f"jwt.{missing}", "access tokens need both an issuer and an audience", "set it, or remove the other"
        )
    elif jwt.secret is not None and not jwt.is_on:
        yield Finding("jwt.secret", "it signs nothing: there are no access tokens", "set jwt.issuer and jwt.audience")
