"""Opening what other programs have sealed with Fernet. Only an import needs it; nothing of ours is sealed so."""

from collections.abc import Callable

from doorward.errors import InputError


def open_fernet(key: str) -> Callable[[str], str]:
    """A function that opens texts sealed with this key; InputError where the key is none, or a text does not open."""
    from cryptography.fernet import Fernet, InvalidToken

    try:
        fernet = Fernet(key.strip().encode("ascii"))
    except ValueError:
        raise InputError("this is no Fernet key: it has 44 letters and is written in one line") from None

    def unseal(text: str) -> str:
        try:
            return fernet.decrypt(text.encode("utf-8")).decode("utf-8")
        except (InvalidToken, ValueError):
            raise InputError("this does not open with the key that was given") from None

    return unseal
