"""The account of a Traefik Manager `manager.yml`. There is one, it has no name, and it administers."""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Final

from doorward.errors import InputError
from doorward.rules.importing import Form, Incoming, Problem, Reading
from doorward.rules.password_hash import parse_foreign

FERNET_BEGINS: Final = "gAAAAA"
"""How a sealed text begins there; one that does not is from before secrets were sealed."""
_SECRET_SIZES: Final = range(10, 65)
_PATH: Final = "manager.yml"

Unseal = Callable[[str], str]
"""Opens a text that is sealed there. InputError where it does not open."""


def read_traefik_manager(
    tree: Mapping[str, object], *, name: str, email: str, unseal: Unseal | None, without_totp: bool = False
) -> Reading:
    """The account, under a name it is given here. `unseal` None: there is no key to open what is sealed.

    A second factor that cannot be read is a problem: the account never comes without it unless that was asked for
    (A-16).
    """
    form = Form()
    user_name, display_name, address = form.read_names(name, "", email, "--name", email_key="email")
    digest = form.read_text(tree, "password_hash", _PATH)
    if not digest:
        form.refuse(
            f"{_PATH}.password_hash", "no password has been set there", "finish its setup, or add the account here"
        )
    password = form.parse(parse_foreign, digest, f"{_PATH}.password_hash") if digest else ""
    totp = b""
    if form.read_flag(tree, "otp_enabled", _PATH) and not without_totp:
        totp = _read_totp(form, form.read_text(tree, "otp_secret", _PATH), unseal)
    _tell_what_stays(form, tree)
    account = Incoming(
        path=_PATH,
        name=user_name,
        display_name=display_name,
        email=address,
        is_admin=True,
        must_change_password=form.read_flag(tree, "must_change_password", _PATH),
        password=password,
        totp=totp,
    )
    return form.finish([account], _PATH)


def parse_totp_secret(text: str) -> bytes:
    """A secret in base32. InputError where it is none."""
    word = text.replace(" ", "").upper().rstrip("=")
    try:
        secret = base64.b32decode(word + "=" * (-len(word) % 8))
    except (binascii.Error, ValueError):
        raise InputError("this is no secret of an authenticator app") from None
    if len(secret) not in _SECRET_SIZES:
        raise InputError("this is no secret of an authenticator app")
    return secret


def _read_totp(form: Form, sealed: str, unseal: Unseal | None) -> bytes:
    path = f"{_PATH}.otp_secret"
    try:
        if not sealed.startswith(FERNET_BEGINS):
            return parse_totp_secret(sealed)
        if unseal is None:
            form.refuse(
                path,
                "this is sealed with a key of its own",
                "name .otp_key, which lies beside manager.yml, with --fernet-key-file; "
                "or give OTP_ENCRYPTION_KEY with --fernet-key-stdin",
            )
            return b""
        return parse_totp_secret(unseal(sealed))
    except InputError as error:
        form.refuse(path, str(error), "give the key it was sealed with, or leave the second factor out: --without-totp")
        return b""


def _tell_what_stays(form: Form, tree: Mapping[str, object]) -> None:
    keys = tree.get("api_keys")
    if isinstance(keys, tuple | list) and keys:
        form.notices.append(Problem(f"{_PATH}.api_keys", "API keys are not imported", "make new ones here"))
    if tree.get("oidc_enabled") is True:
        form.notices.append(
            Problem(f"{_PATH}.oidc_enabled", "its provider is not imported", "set it in authn.providers")
        )
