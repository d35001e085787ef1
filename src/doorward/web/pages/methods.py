"""Ways of proving who one is, in words for people."""

from collections.abc import Iterable
from typing import Final

from doorward.rules.session import Method

_WORDS: Final = {
    Method.PASSWORD: "password",
    Method.TOTP: "authenticator app",
    Method.PASSKEY: "passkey",
    Method.SECURITY_KEY: "security key",
    Method.RECOVERY_CODE: "recovery code",
    Method.UPSTREAM: "provider",
    Method.UPSTREAM_MFA: "second factor at the provider",
    Method.ASSERTED: "proxy",
    Method.BREAK_GLASS: "break-glass code",
    Method.LINK: "link",
}


def name_methods(methods: Iterable[Method]) -> list[str]:
    """The words, in the order of the table."""
    found = set(methods)
    return [words for method, words in _WORDS.items() if method in found]
