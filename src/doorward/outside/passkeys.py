"""WebAuthn with py_webauthn. What strangers send is read strictly here before the library sees any of it.

The library is loaded when first used. It reads base64url and JSON leniently and raises whatever its parts raise; so we
read the outer JSON, the client's and every base64url ourselves (`rules.passkey`), hand it bytes alone, and make
an InputError of anything it raises. Counters are left to `rules.passkey`: it gets 0, with which it judges nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from doorward.errors import InputError
from doorward.interfaces import Assertion, NewPasskey
from doorward.rules.identity import User
from doorward.rules.passkey import (
    MOST_ANSWER,
    MOST_CREDENTIAL_ID,
    check_authenticator_data,
    check_cbor,
    handle_of,
    parse_base64url,
)
from doorward.rules.strict_json import parse_object

if TYPE_CHECKING:
    from webauthn.helpers.structs import AuthenticatorTransport, PublicKeyCredentialDescriptor

_MOST_CLIENT_DATA: Final = 8 * 1024
_MOST_HANDLE: Final = 64
_FEWEST_RSA_BITS: Final = 2048
_MOST_RSA_BITS: Final = 4096
_TIMEOUT: Final = 5 * 60 * 1000
"""Milliseconds the browser waits for the person: as long as the challenge holds."""

_Read = TypeVar("_Read")


class WebAuthn:
    """`interfaces.Passkeys` for one relying party."""

    def __init__(self, *, rp_id: str, rp_name: str, origins: Sequence[str]) -> None:
        self._rp_id = rp_id
        self._rp_name = rp_name
        self._origins = list(origins)

    def ask_registration(
        self, user: User, challenge: bytes, *, exclude: Sequence[tuple[bytes, tuple[str, ...]]], verify: bool
    ) -> str:
        """The options for `navigator.credentials.create`, as JSON text."""
        from webauthn import generate_registration_options, options_to_json
        from webauthn.helpers.structs import (
            AuthenticatorSelectionCriteria,
            ResidentKeyRequirement,
            UserVerificationRequirement,
        )

        return options_to_json(
            generate_registration_options(
                rp_id=self._rp_id,
                rp_name=self._rp_name,
                user_id=handle_of(user.id),
                user_name=user.name,
                user_display_name=user.display_name or user.name,
                challenge=challenge,
                timeout=_TIMEOUT,
                # A passkey wherever there can be one; a plain security key is turned away only where it could not be
                # used afterwards.
                authenticator_selection=AuthenticatorSelectionCriteria(
                    resident_key=ResidentKeyRequirement.PREFERRED,
                    user_verification=(
                        UserVerificationRequirement.REQUIRED if verify else UserVerificationRequirement.PREFERRED
                    ),
                ),
                exclude_credentials=_describe(exclude),
            )
        )

    def read_registration(self, answer: str, challenge: bytes) -> NewPasskey:
        """Verify what came of `ask_registration`. InputError where anything is wrong with it."""
        read = _read_answer(answer)
        attestation = _find_bytes(read.response, "attestationObject", MOST_ANSWER)
        return _guard(lambda: self._verify_registration(read, attestation, challenge))

    def ask_assertion(self, challenge: bytes, *, allow: Sequence[tuple[bytes, tuple[str, ...]]], verify: bool) -> str:
        """The options for `navigator.credentials.get`, as JSON text."""
        from webauthn import generate_authentication_options, options_to_json
        from webauthn.helpers.structs import UserVerificationRequirement

        return options_to_json(
            generate_authentication_options(
                rp_id=self._rp_id,
                challenge=challenge,
                timeout=_TIMEOUT,
                allow_credentials=_describe(allow),
                user_verification=(
                    UserVerificationRequirement.REQUIRED if verify else UserVerificationRequirement.PREFERRED
                ),
            )
        )

    def read_handle(self, answer: str) -> tuple[bytes, bytes | None]:
        """Credential id and user handle of an answer, neither of them verified."""
        read = _read_answer(answer)
        return read.credential_id, _find_handle(read.response)

    def read_assertion(self, answer: str, challenge: bytes, *, public_key: bytes, verify: bool) -> Assertion:
        """Verify what came of `ask_assertion`. InputError where anything is wrong with it."""
        from webauthn import verify_authentication_response
        from webauthn.helpers.structs import (
            AuthenticationCredential,
            AuthenticatorAssertionResponse,
            CredentialDeviceType,
        )

        read = _read_answer(answer)
        authenticator_data = _find_bytes(read.response, "authenticatorData", MOST_ANSWER)
        signature = _find_bytes(read.response, "signature", MOST_ANSWER)
        check_authenticator_data(authenticator_data)
        verified = _guard(
            lambda: verify_authentication_response(
                credential=AuthenticationCredential(
                    id=read.id,
                    raw_id=read.credential_id,
                    response=AuthenticatorAssertionResponse(
                        client_data_json=read.client_data, authenticator_data=authenticator_data, signature=signature
                    ),
                ),
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origins,
                credential_public_key=public_key,
                credential_current_sign_count=0,
                require_user_verification=verify,
            )
        )
        return Assertion(
            sign_count=verified.new_sign_count,
            verified=verified.user_verified,
            backup_eligible=verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
            backed_up=verified.credential_backed_up,
        )

    def _verify_registration(self, read: "_Answer", attestation: bytes, challenge: bytes) -> NewPasskey:
        from webauthn import verify_registration_response
        from webauthn.helpers.structs import (
            AuthenticatorAttestationResponse,
            CredentialDeviceType,
            RegistrationCredential,
        )

        _check_attestation(attestation)
        verified = verify_registration_response(
            credential=RegistrationCredential(
                id=read.id,
                raw_id=read.credential_id,
                response=AuthenticatorAttestationResponse(
                    client_data_json=read.client_data, attestation_object=attestation
                ),
            ),
            expected_challenge=challenge,
            expected_rp_id=self._rp_id,
            expected_origin=self._origins,
        )
        if verified.credential_id != read.credential_id:
            raise InputError("the credential goes by two names")
        _check_key(verified.credential_public_key)
        return NewPasskey(
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            transports=tuple(each.value for each in _find_transports(read.response.get("transports"))),
            sign_count=verified.sign_count,
            verified=verified.user_verified,
            backup_eligible=verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
            backed_up=verified.credential_backed_up,
        )


@dataclass(frozen=True, slots=True)
class _Answer:
    """What `PublicKeyCredential.toJSON()` gave, as far as create and get have it in common."""

    id: str
    credential_id: bytes
    client_data: bytes
    response: Mapping[str, Any]


def _read_answer(answer: str) -> _Answer:
    try:
        raw = answer.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError("the answer is not text") from None
    members = parse_object(raw, limit=MOST_ANSWER)
    response = members.get("response")
    if (
        members.get("type") != "public-key"
        or not isinstance(response, dict)
        or members.get("rawId") != members.get("id")
    ):
        raise InputError("that is not what a browser answers")
    credential_id = _find_bytes(members, "id", MOST_CREDENTIAL_ID)
    if not credential_id:
        raise InputError("the credential has no id")
    client_data = _find_bytes(response, "clientDataJSON", _MOST_CLIENT_DATA)
    _check_client_data(client_data)
    return _Answer(members["id"], credential_id, client_data, response)


def _check_client_data(raw: bytes) -> None:
    """Refuse what could be read in two ways. The library judges type, challenge and origin of what is left."""
    members = parse_object(raw, limit=_MOST_CLIENT_DATA)
    if not all(isinstance(members.get(name), str) for name in ("type", "challenge", "origin")):
        raise InputError("the client data lacks something")
    parse_base64url(members["challenge"])
    if members.get("crossOrigin", False) is not False or "topOrigin" in members:
        # Our pages are framed by nobody, so no other page's frame has any business here.
        raise InputError("the answer was made inside a page of another site")


def _find_bytes(members: Mapping[str, Any], name: str, limit: int) -> bytes:
    text = members.get(name)
    if not isinstance(text, str):
        raise InputError(f"the answer has no {name}")
    raw = parse_base64url(text)
    if len(raw) > limit:
        raise InputError(f"the {name} is too long")
    return raw


def _find_handle(response: Mapping[str, Any]) -> bytes | None:
    if response.get("userHandle") is None:
        return None
    return _find_bytes(response, "userHandle", _MOST_HANDLE)


def _check_attestation(raw: bytes) -> None:
    """That the library will meet nothing in it but what it is there for."""
    import cbor2

    # SECURITY: the bytes themselves are checked before anything is made of them (G12).
    if check_cbor(raw) != len(raw):
        raise InputError("there is something behind the attestation")
    members = cbor2.loads(raw, allow_duplicate_keys=False)
    match members:
        # None is asked for, so all that may come is none, or a key that vouches for itself: certificates, and what
        # parses them, are never reached.
        case {"fmt": "none", "attStmt": dict() as statement, "authData": bytes() as data} if not statement:
            pass
        case {"fmt": "packed", "attStmt": {"alg": _, "sig": _, **rest}, "authData": bytes() as data} if not rest:
            pass
        case _:
            raise InputError("an attestation came that was not asked for")
    check_authenticator_data(data)


def _check_key(public_key: bytes) -> None:
    """That signatures can be verified with it at all, at a price that is bounded, by the algorithm it names."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from webauthn.helpers import decode_credential_public_key, decoded_public_key_to_cryptography
    from webauthn.helpers.cose import COSEAlgorithmIdentifier

    decoded = decode_credential_public_key(public_key)
    match decoded_public_key_to_cryptography(decoded):
        case EllipticCurvePublicKey(curve=SECP256R1()):
            fitting = COSEAlgorithmIdentifier.ECDSA_SHA_256
        case Ed25519PublicKey():
            fitting = COSEAlgorithmIdentifier.EDDSA
        case RSAPublicKey(key_size=size) if _FEWEST_RSA_BITS <= size <= _MOST_RSA_BITS:
            fitting = COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256
        case _:
            raise InputError("the passkey has a key of a kind that is not accepted here")
    if decoded.alg != fitting:
        raise InputError("the passkey's key does not fit its algorithm")


def _describe(credentials: Sequence[tuple[bytes, tuple[str, ...]]]) -> "list[PublicKeyCredentialDescriptor]":
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

    return [
        PublicKeyCredentialDescriptor(id=credential_id, transports=_find_transports(list(transports)))
        for credential_id, transports in credentials
    ]


def _find_transports(named: Any) -> "list[AuthenticatorTransport]":
    """Those that are known, each once, in an order of ours."""
    from webauthn.helpers.structs import AuthenticatorTransport

    return [each for each in AuthenticatorTransport if each.value in named] if isinstance(named, list) else []


def _guard(read: Callable[[], _Read]) -> _Read:
    """What `read` gives; InputError where it raises."""
    try:
        return read()
    except InputError:
        raise
    except Exception as error:
        # All that goes in is a stranger's bytes, so every fault is in them, whatever part of the library finds it.
        raise InputError(f"the passkey's answer does not hold: {type(error).__name__}") from error
