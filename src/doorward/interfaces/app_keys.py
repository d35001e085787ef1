"""The part of a transaction that is about keys for apps, and about secrets we show apps."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from doorward.rules.app_key import AppKey, AppSecret, KeyId, KeyKind, KeyUse
from doorward.rules.identity import UserId


class AppKeyRecords(Protocol):
    """Keys for apps go with their account. Whatever takes one away or changes it counts at the next check."""

    async def add_app_key(self, key: AppKey) -> None:
        """Add a key. ConflictError when its account is gone, or has a key of this name."""
        ...

    async def find_app_key(self, key_id: KeyId) -> AppKey | None:
        """The key with this id."""
        ...

    async def list_app_keys(self, user_id: UserId | None = None) -> list[AppKey]:
        """An account's keys, or everybody's, the newest first."""
        ...

    async def count_app_keys(self) -> dict[tuple[KeyKind, bool], int]:
        """How many there are of each kind, awake and (True) put to sleep; nothing of what there is none of."""
        ...

    async def advance_app_key(self, old: AppKey, new: AppKey) -> bool:
        """Replace `old` by `new` (same id and owner), only if it still is exactly `old`, its uses aside.

        Uses are not changed by it.
        """
        ...

    async def remove_app_keys(self, key_ids: Collection[KeyId]) -> int:
        """Remove keys; how many there were."""
        ...

    async def note_key_uses(self, uses: Sequence[KeyUse]) -> None:
        """Count a use of each, and note when and from where. Keys that are gone are passed over."""
        ...

    async def list_sleeping_keys(self, unused_since: datetime) -> list[AppKey]:
        """Keys that are not disabled and were neither made, used nor woken since."""
        ...

    async def list_app_secrets(self) -> list[AppSecret]:
        """The secrets we show apps, by name."""
        ...

    async def put_app_secret(self, secret: AppSecret) -> None:
        """Set one, in place of any of this name."""
        ...

    async def remove_app_secret(self, name: str) -> bool:
        """Forget one; whether there was one."""
        ...
