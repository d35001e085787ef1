"""Keys for apps, connected."""

from doorward.app.alerts import build_alerts
from doorward.app.parts import Parts
from doorward.flows.app_keys import AppKeys
from doorward.flows.key_uses import KeyUses
from doorward.flows.notify import Notify
from doorward.flows.throttle import Throttle
from doorward.outside.qr import draw_qr
from doorward.rules.key_wish import KeyTerms


def build_app_keys(parts: Parts, throttle: Throttle, notify: Notify) -> AppKeys:
    """Making, seeing, waking and taking back."""
    wanted = parts.config.api_keys
    return AppKeys(
        records=parts.storage.records,
        throttle=throttle,
        keyring=parts.keyring,
        random=parts.random,
        hasher=parts.hasher,
        notify=notify,
        tally=parts.counts,
        policy=lambda: parts.policy.present,
        terms=KeyTerms(
            max_lifetime=wanted.max_lifetime,
            default_lifetime=wanted.default_lifetime,
            max_keys=wanted.max,
            max_per_app=wanted.max_per_app,
        ),
        draw_qr=draw_qr,
        slow_hash=wanted.hash == "bcrypt",
        sleep_after=wanted.sleep_after,
    )


def build_key_uses(parts: Parts, notify: Notify) -> KeyUses:
    """What the gate tells of uses."""
    return KeyUses(
        records=parts.storage.records,
        keyring=parts.keyring,
        alarm=build_alerts(parts).raise_alert,
        notify=notify,
        log=parts.log,
    )
