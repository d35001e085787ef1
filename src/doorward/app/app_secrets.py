"""The secrets we show apps, connected."""

from doorward.app.parts import Parts
from doorward.config.finding import Finding
from doorward.flows.app_secrets import AppSecrets


def connect_app_secrets(parts: Parts) -> AppSecrets:
    """The flow; it goes by the policy that is in force at the moment."""
    return AppSecrets(records=parts.storage.records, keyring=parts.keyring, policy=lambda: parts.policy.present)


async def note_secrets(secrets: AppSecrets) -> list[Finding]:
    """What the file alone cannot tell: secrets it names that nobody has set."""
    return [
        Finding(
            "apps",
            f"there is no secret {missing.name}, so {', '.join(missing.apps)} lets nobody in",
            f"set it: doorward app-secret set {missing.name}",
        )
        for missing in await secrets.find_missing()
    ]
