"""The one list of reasons: the same word in a log line, a metric, an audit record, `explain` and a test.

Words are stable: people search their logs for them. `sentence` is safe to show to a visitor.
"""

from enum import Enum


class Reason(Enum):
    """Why a request was allowed, challenged or denied. The value is the word used everywhere."""

    # Allowed
    RULE = "rule"
    PUBLIC = "public"
    PREFLIGHT = "preflight"
    SINGLE_USER = "single_user"
    # Challenged: proving something would help
    NO_SESSION = "no_session"
    SESSION_UNKNOWN = "session_unknown"
    SESSION_EXPIRED = "session_expired"
    SESSION_IDLE = "session_idle"
    SESSION_REVOKED = "session_revoked"
    NOT_FRESH = "not_fresh"
    TWO_FACTOR_REQUIRED = "two_factor_required"
    PASSKEY_REQUIRED = "passkey_required"
    # A key was shown that is none of ours, or no longer
    KEY_INVALID = "key_invalid"
    KEY_EXPIRED = "key_expired"
    KEY_ASLEEP = "key_asleep"
    KEY_TRIES = "key_tries"
    # Denied
    USER_DISABLED = "user_disabled"
    CONSOLE_ONLY = "console_only"
    UNKNOWN_HOST = "unknown_host"
    NO_RULE = "no_rule"
    DENIED_BY_RULE = "denied_by_rule"
    NETWORK_REQUIRED = "network_required"
    CROSS_SITE = "cross_site"
    INSECURE_SCHEME = "insecure_scheme"
    # Denied, by what a key may do
    KEY_NOT_TAKEN = "key_not_taken"
    KEY_APP = "key_app"
    KEY_PATH = "key_path"
    KEY_METHOD = "key_method"
    KEY_READ_ONLY = "key_read_only"
    KEY_NETWORK = "key_network"
    KEY_IN_URL = "key_in_url"
    KEY_NOT_ENOUGH = "key_not_enough"
    OWNER_PENDING = "owner_pending"
    LOCKDOWN = "lockdown"
    # Refused before any rule was asked
    PROXY_UNTRUSTED = "proxy_untrusted"
    PROXY_SECRET = "proxy_secret"  # noqa: S105 -- a reason's name, not a secret
    BAD_REQUEST = "bad_request"
    CREDENTIALS_DIFFER = "credentials_differ"
    APP_SECRET = "app_secret"  # noqa: S105 -- a reason's name, not a secret
    UNAVAILABLE = "unavailable"

    @property
    def sentence(self) -> str:
        """One sentence for the visitor: what happened, without anything private."""
        return _SENTENCES[self]

    @property
    def told(self) -> str:
        """The same for whoever looks at what was decided about somebody else, also long ago."""
        return _TOLD.get(self, self.sentence)


_SENTENCES = {
    Reason.RULE: "A rule allows you in.",
    Reason.PUBLIC: "This address is open to everyone.",
    Reason.PREFLIGHT: "Cross-origin preflights may pass for this app.",
    Reason.SINGLE_USER: "Your network stands for an account, and a rule allows that account in.",
    Reason.NO_SESSION: "You are not signed in.",
    Reason.SESSION_UNKNOWN: "Your sign-in has ended.",
    Reason.SESSION_EXPIRED: "Your sign-in has expired.",
    Reason.SESSION_IDLE: "You were away for a while, so your sign-in has ended.",
    Reason.SESSION_REVOKED: "Your sign-in was ended.",
    Reason.NOT_FRESH: "This address asks for a recent sign-in.",
    Reason.TWO_FACTOR_REQUIRED: "This asks for a second factor, and your sign-in has none.",
    Reason.PASSKEY_REQUIRED: "This asks for a passkey, and your sign-in used none.",
    Reason.KEY_INVALID: "This key is not valid, or no longer.",
    Reason.KEY_EXPIRED: "This key has expired.",
    Reason.KEY_ASLEEP: "This key was not used for so long that it was put to sleep.",
    Reason.KEY_TRIES: "Too many wrong keys came from your network. Try again later.",
    Reason.USER_DISABLED: "Your account is disabled.",
    Reason.CONSOLE_ONLY: "Your account is for running this gateway, and opens no app.",
    Reason.UNKNOWN_HOST: "This gateway does not serve that address.",
    Reason.NO_RULE: "No rule lets your account open this.",
    Reason.DENIED_BY_RULE: "A rule refuses this to your account.",
    Reason.NETWORK_REQUIRED: "This can be opened from certain networks only.",
    Reason.CROSS_SITE: "A page at another address asked for this, and this app takes such requests from its own only.",
    Reason.INSECURE_SCHEME: "This address must be opened with https.",
    Reason.KEY_NOT_TAKEN: "This app takes no keys.",
    Reason.KEY_APP: "This key does not open this app.",
    Reason.KEY_PATH: "This key does not open this part of the app.",
    Reason.KEY_METHOD: "This key is not for this kind of request.",
    Reason.KEY_READ_ONLY: "This key may only read.",
    Reason.KEY_NETWORK: "This key opens nothing from your network.",
    Reason.KEY_IN_URL: "This key may not stand in an address here.",
    Reason.KEY_NOT_ENOUGH: "This asks for more than a key proves: somebody has to sign in.",
    Reason.OWNER_PENDING: "The account of this key needs a new password or a second factor before keys open anything.",
    Reason.LOCKDOWN: "An incident is being contained; no key opens anything until that is over.",
    Reason.PROXY_UNTRUSTED: "The question did not come from a proxy that this gateway trusts.",
    Reason.PROXY_SECRET: "The proxy did not show the secret it shares with this gateway.",
    Reason.BAD_REQUEST: "The request is malformed or ambiguous.",
    Reason.CREDENTIALS_DIFFER: "The request shows keys or a sign-in that belong to different accounts.",
    Reason.APP_SECRET: "What this app is to be shown on your behalf is missing at the gateway.",
    Reason.UNAVAILABLE: "The gateway cannot answer at the moment.",
}

_TOLD = {
    Reason.RULE: "A rule allowed it.",
    Reason.SINGLE_USER: "The network stands for the account, and a rule allowed that account in.",
    Reason.NO_SESSION: "Nobody was signed in.",
    Reason.SESSION_UNKNOWN: "The sign-in had ended.",
    Reason.SESSION_EXPIRED: "The sign-in had expired.",
    Reason.SESSION_IDLE: "The sign-in had ended after a while without use.",
    Reason.SESSION_REVOKED: "The sign-in had been ended.",
    Reason.TWO_FACTOR_REQUIRED: "This asks for a second factor, and the sign-in had none.",
    Reason.PASSKEY_REQUIRED: "This asks for a passkey, and the sign-in used none.",
    Reason.USER_DISABLED: "The account was disabled.",
    Reason.CONSOLE_ONLY: "The account is for running this gateway, and opens no app.",
    Reason.NO_RULE: "No rule let the account open this.",
    Reason.DENIED_BY_RULE: "A rule refused this to the account.",
    Reason.KEY_TRIES: "Too many wrong keys had come from that network.",
    Reason.KEY_NETWORK: "The key opens nothing from that network.",
    Reason.LOCKDOWN: "An incident was being contained, and no key opened anything.",
    Reason.APP_SECRET: "What the app was to be shown was missing at the gateway.",
    Reason.UNAVAILABLE: "The gateway could not answer at that moment.",
}
"""Only where the sentence speaks to the visitor, or of this moment."""
