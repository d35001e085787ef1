"""The page the gate shows, under the app's own address, to somebody who may not pass."""

from urllib.parse import quote

from doorward.interfaces import Clock
from doorward.rules.reason import Reason
from doorward.web.errors import words_for
from doorward.web.gate.dialect import Headers
from doorward.web.gate.refuse import Refusal
from doorward.web.headers import HeaderPolicy
from doorward.web.pages.assets import Assets
from doorward.web.pages.desk import Site
from doorward.web.pages.icons import icon_of
from doorward.web.pages.templates import Templates

_NEW_KEY = "Whoever made this key can make another at “Your keys”. Without it you can sign in as ever."
_NO_KEY = "Open the app itself, without the key in its address: then you can sign in as ever."
_KEY_ADVICE = {
    Reason.KEY_INVALID: _NEW_KEY,
    Reason.KEY_EXPIRED: _NEW_KEY,
    Reason.KEY_ASLEEP: "Whoever made this key can wake it at “Your keys”. Without it you can sign in as ever.",
    Reason.KEY_NOT_TAKEN: _NO_KEY,
    Reason.KEY_APP: _NO_KEY,
    Reason.KEY_PATH: _NO_KEY,
    Reason.KEY_METHOD: _NO_KEY,
    Reason.KEY_READ_ONLY: _NO_KEY,
    Reason.KEY_NETWORK: _NO_KEY,
    Reason.KEY_IN_URL: _NO_KEY,
    Reason.KEY_NOT_ENOUGH: _NO_KEY,
}
_ADVICE = {
    Reason.NO_RULE: "If you have another account that may open it, sign in as that one.",
    Reason.DENIED_BY_RULE: "If you have another account that may open it, sign in as that one.",
    Reason.NETWORK_REQUIRED: "Try again from the office, from home or through the VPN, wherever that network is.",
    Reason.CROSS_SITE: "Open the app itself, and do it there.",
    Reason.TWO_FACTOR_REQUIRED: "Ask the administrator how second factors are set up here.",
    Reason.PASSKEY_REQUIRED: "Ask the administrator how passkeys are set up here.",
    Reason.INSECURE_SCHEME: "Open the same address with https:// in front.",
    Reason.USER_DISABLED: "Only an administrator can enable it again.",
    Reason.CONSOLE_ONLY: "To open apps, sign in with an account of your own.",
    Reason.UNKNOWN_HOST: "Check the address. If you run this site: no app and no rule names this host.",
    Reason.UNAVAILABLE: "Nothing is wrong with your account. Try again in a moment.",
    Reason.BAD_REQUEST: "Go back and follow the link again, or type the address anew.",
    Reason.CREDENTIALS_DIFFER: "Open the address in a private window, or the app itself without the key.",
    **_KEY_ADVICE,
}
_SIGNED_OUT_HELPS = frozenset({Reason.NO_RULE, Reason.DENIED_BY_RULE, Reason.USER_DISABLED, Reason.CONSOLE_ONLY})


class DenialPage:
    """Renders refusals, and what stands in place of a form that was held back.

    Style sheet and drawings are inside the page: under the app's address none of our files exist.

    Two answers to the same refusal differ in nothing but reference and time, so nothing on it needs a nonce.
    """

    def __init__(self, site: Site, templates: Templates, assets: Assets, headers: HeaderPolicy, clock: Clock) -> None:
        self._site = site
        self._templates = templates
        self._style = assets.inline_style
        self._headers: Headers = tuple(headers.gate_headers(style=assets.style))
        self._clock = clock

    def __call__(self, refusal: Refusal) -> tuple[bytes, Headers]:
        """Render one, with its headers."""
        app = refusal.app
        name = app.name if app else refusal.host
        denied = refusal.status == 403 or refusal.reason in _KEY_ADVICE  # noqa: PLR2004 -- the status of a denial
        known = denied or refusal.reason in _ADVICE
        html = self._templates.render(
            "unsent.html" if refusal.login_url else "denied.html",
            {
                "inline_css": self._style,
                "csrf_token": "",
                "banner": self._site.banner,
                "home": self._site.public_url + "/",
                "app_name": name,
                "title": "%(name)s stays shut" if denied else words_for(refusal.status).title,
                "icon": icon_of(app, name=refusal.host),
                "host": refusal.host,
                "sentence": refusal.reason.sentence,
                "advice": _ADVICE.get(refusal.reason, "") if known else "",
                "user_name": refusal.user_name,
                "contact": app.contact if app else "",
                "reason": refusal.reason.value,
                "correlation_id": refusal.correlation_id,
                "at": self._clock.now(),
                "switch_url": self._switch(refusal),
                "login_url": refusal.login_url,
            },
            refusal.language,
        )
        return html.encode("utf-8"), self._headers

    def _switch(self, refusal: Refusal) -> str:
        if not refusal.switch_url or refusal.reason not in _SIGNED_OUT_HELPS:
            return ""
        return f"{refusal.switch_url}?rd={quote(refusal.url, safe='')}"
