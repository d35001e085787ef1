"""What each profile promises, by hand: the numbers that the program's table is compared with, through a real gateway."""

from dataclasses import dataclass

MINUTE, QUARTER, HOUR, DAY = 60, 900, 3600, 86400


@dataclass(frozen=True, slots=True)
class Page:
    """One profile as it is seen from outside. Spans are seconds; None where there is none.

    `persistent`: the session cookie outlives the browser without “remember me”, too. A limit is a number of tries and
    the span in which there are no more. `key_days`: how long a key lasts where nobody says otherwise; None for ever.
    `keys_end`: nobody may have one without an end. `slow_keys`: they are stored as passwords are.
    """

    name: str
    cookie: str
    lifetime: int
    remember: int | None
    idle: int | None
    persistent: bool
    secure: bool
    samesite: str
    csrf: str
    csp: str
    frame: str
    xss: str
    hsts: str
    login: tuple[int, int]
    otp: tuple[int, int]
    password: tuple[int, int]
    provider: tuple[int, int]
    registration: str
    keys: tuple[int, int] = (5, HOUR)
    key_days: int | None = 365
    keys_end: bool = False
    slow_keys: bool = False
    least: int = 8
    owes_factor: bool = False
    memory: bool = False
    variables: tuple[tuple[str, str], ...] = ()


_YEAR = "max-age=31536000"
_YEAR_BELOW = "max-age=31536000; includeSubDomains"

PAGES = (
    Page(
        "balanced",
        cookie="doorward", lifetime=24 * HOUR, remember=7 * DAY, idle=120 * MINUTE, persistent=False, secure=True, samesite="Lax",
        csrf="__Host-doorward-csrf", csp="nonce",
        frame="SAMEORIGIN", xss="1; mode=block", hsts=_YEAR,
        login=(5, MINUTE), otp=(5, QUARTER), password=(5, QUARTER), provider=(10, MINUTE),
        registration="first_user_then_locked",
    ),
    Page(
        "strict",
        cookie="__Secure-doorward", lifetime=8 * HOUR, remember=None, idle=30 * MINUTE, persistent=False, secure=True, samesite="Strict",
        csrf="__Host-doorward-csrf", csp="nonce",
        frame="DENY", xss="0", hsts=_YEAR_BELOW,
        login=(5, QUARTER), otp=(3, QUARTER), password=(3, QUARTER), provider=(10, MINUTE),
        registration="closed", least=12, owes_factor=True, key_days=90, keys_end=True,
    ),
    Page(
        "traefik-manager",
        cookie="session", lifetime=7 * DAY, remember=7 * DAY, idle=120 * MINUTE, persistent=False, secure=True, samesite="Lax",
        csrf="__Host-doorward-csrf", csp="nonce",
        frame="DENY", xss="1; mode=block", hsts=_YEAR_BELOW,
        login=(5, MINUTE), otp=(5, MINUTE), password=(10, MINUTE), provider=(10, MINUTE),
        registration="closed", key_days=None, slow_keys=True, variables=(("COOKIE_SECURE", "true"),),
    ),
    Page(
        "trek",
        cookie="trek_session", lifetime=24 * HOUR, remember=None, idle=None, persistent=True, secure=True, samesite="Lax",
        csrf="__Host-doorward-csrf", csp="list",
        frame="SAMEORIGIN", xss="0", hsts=_YEAR,
        login=(10, QUARTER), otp=(5, QUARTER), password=(5, QUARTER), provider=(10, MINUTE),
        registration="open", keys=(5, QUARTER), key_days=None,
    ),
    Page(
        "forward-auth",
        cookie="forward-auth-session", lifetime=24 * HOUR, remember=None, idle=None, persistent=True, secure=True, samesite="Lax",
        csrf="__Host-doorward-csrf", csp="nonce",
        frame="SAMEORIGIN", xss="1; mode=block", hsts=_YEAR,
        login=(5, MINUTE), otp=(5, QUARTER), password=(5, QUARTER), provider=(10, MINUTE),
        registration="oidc_auto", memory=True,
    ),
    Page(
        "billtracker",
        cookie="bt_session", lifetime=7 * DAY, remember=None, idle=None, persistent=True, secure=True, samesite="Strict",
        csrf="bt_csrf_token", csp="nonce",
        frame="SAMEORIGIN", xss="", hsts=_YEAR_BELOW,
        login=(10, QUARTER), otp=(5, QUARTER), password=(5, QUARTER), provider=(20, QUARTER),
        registration="closed",
    ),
    Page(
        "tempo",
        cookie="authToken", lifetime=7 * DAY, remember=None, idle=None, persistent=True, secure=True, samesite="Lax",
        csrf="__Host-doorward-csrf", csp="self",
        frame="SAMEORIGIN", xss="1; mode=block", hsts=_YEAR,
        login=(10, QUARTER), otp=(5, QUARTER), password=(5, QUARTER), provider=(10, MINUTE),
        registration="first_user_then_locked",
    ),
)  # fmt: skip
