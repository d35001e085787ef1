"""Every setting: its name, its kind, its default and what it does. docs/reference/configuration.md is made from this.

Frozen all the way down. Unknown keys are refused; a value of the wrong kind is refused, never converted. The sections
are in `serving`, `accounts`, `modes`, `mail`, `limits` and `upstream`; rules, groups and apps are in `access`. What
must hold between two settings is in `check`, and what each profile sets in `profiles`.
"""

from typing import Literal

from pydantic import Field

from doorward.config.access import App, Authz
from doorward.config.accounts import Authn, Mfa, Password, Recovery, Registration, SessionSection, Totp, Webauthn
from doorward.config.alerts import Alerts
from doorward.config.api_keys import ApiKeys
from doorward.config.assertion import AssertionSection
from doorward.config.audit import AuditSection
from doorward.config.backup import BackupSection
from doorward.config.jwt import Jwt
from doorward.config.limits import Limits
from doorward.config.locations import Locations
from doorward.config.mail import Mail
from doorward.config.modes import SingleUserSection
from doorward.config.pairing import PairingSection
from doorward.config.retention import Retention
from doorward.config.rotation import Rotation
from doorward.config.section import Section
from doorward.config.security_txt import SecurityTxt
from doorward.config.serving import Cookie, Csrf, Headers, Https, Logger, Prometheus, Proxy, Server, Storage
from doorward.config.upstream import Outbound


class Config(Section):
    """The whole configuration."""

    profile: Literal["balanced", "strict", "traefik-manager", "trek", "forward-auth", "billtracker", "tempo"] = Field(
        default="balanced",
        description="A set of values for all that is set neither in this file nor in the environment.",
    )
    server: Server = Server()
    logger: Logger = Logger()
    prometheus: Prometheus = Prometheus()
    proxy: Proxy = Proxy()
    https: Https = Https()
    cookie: Cookie = Cookie()
    csrf: Csrf = Csrf()
    session: SessionSection = SessionSection()
    storage: Storage = Storage()
    authn: Authn = Authn()
    mfa: Mfa = Mfa()
    totp: Totp = Totp()
    webauthn: Webauthn = Webauthn()
    registration: Registration = Registration()
    recovery: Recovery = Recovery()
    single_user: SingleUserSection = SingleUserSection()
    mail: Mail = Mail()
    audit: AuditSection = AuditSection()
    backup: BackupSection = BackupSection()
    alerts: Alerts = Alerts()
    locations: Locations = Locations()
    authz: Authz = Authz()
    assertion: AssertionSection = AssertionSection()
    apps: tuple[App, ...] = Field(default=(), description="The apps behind the gateway, for pages and log lines.")
    pairing: PairingSection = PairingSection()
    api_keys: ApiKeys = ApiKeys()
    jwt: Jwt = Jwt()
    limits: Limits = Limits()
    retention: Retention = Retention()
    rotation: Rotation = Rotation()
    password: Password = Password()
    outbound: Outbound = Outbound()
    headers: Headers = Headers()
    security_txt: SecurityTxt = SecurityTxt()

    @property
    def cookie_secure(self) -> bool:
        """Whether our cookies carry `Secure`."""
        return self.server.is_https if self.cookie.secure == "auto" else self.cookie.secure is True

    @property
    def csrf_secure(self) -> bool:
        """Whether the CSRF cookie carries it: one decision for all of ours, unless set apart."""
        return self.cookie_secure if self.csrf.secure == "auto" else self.csrf.secure is True

    @property
    def totp_issuer(self) -> str:
        """What authenticator apps call us."""
        return self.totp.issuer or f"Doorward at {self.server.public_host}"

    @property
    def rp_id(self) -> str:
        """The name that passkeys are bound to."""
        return self.webauthn.rp_id or self.server.public_host

    @property
    def webauthn_origins(self) -> tuple[str, ...]:
        """The origins whose pages may use passkeys, ours first."""
        return tuple(dict.fromkeys((self.server.public_url, *self.webauthn.origins)))
