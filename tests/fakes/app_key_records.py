"""Keys for apps, and secrets we show apps, in the fake store."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime

from doorward.errors import ConflictError
from doorward.rules.app_key import AppKey, AppSecret, KeyId, KeyUse
from doorward.rules.identity import UserId
from tests.fakes.state import State


class FakeAppKeyRecords:
    """`interfaces.AppKeyRecords`."""

    _state: State
    _check: Callable[[], None]

    async def add_app_key(self, key: AppKey) -> None:
        self._check()
        self._state.check_account(key.user_id)
        taken = any(each.user_id == key.user_id and each.name == key.name for each in self._state.app_keys.values())
        if taken or key.id in self._state.app_keys:
            raise ConflictError("the account has a key of this name")
        self._state.app_keys[key.id] = key

    async def find_app_key(self, key_id: KeyId) -> AppKey | None:
        self._check()
        return self._state.app_keys.get(key_id)

    async def list_app_keys(self, user_id: UserId | None = None) -> list[AppKey]:
        self._check()
        found = [key for key in self._state.app_keys.values() if user_id is None or key.user_id == user_id]
        return sorted(sorted(found, key=lambda key: key.id), key=lambda key: key.made_at, reverse=True)

    async def count_app_keys(self):
        self._check()
        return dict(Counter((key.kind, key.disabled_at is not None) for key in self._state.app_keys.values()))

    async def advance_app_key(self, old: AppKey, new: AppKey) -> bool:
        self._check()
        present = self._state.app_keys.get(old.id)
        if present is None or _without_use(present) != _without_use(old):
            return False
        self._state.app_keys[old.id] = replace(
            new, uses=present.uses, last_used_at=present.last_used_at, sealed=present.sealed
        )
        self._state.revision += 1
        return True

    async def remove_app_keys(self, key_ids: Collection[KeyId]) -> int:
        self._check()
        gone = [key_id for key_id in set(key_ids) if self._state.app_keys.pop(key_id, None) is not None]
        self._state.revision += bool(gone)
        return len(gone)

    async def note_key_uses(self, uses: Sequence[KeyUse]) -> None:
        self._check()
        for use in uses:
            key = self._state.app_keys.get(use.id)
            if key is not None:
                self._state.app_keys[use.id] = replace(key, uses=key.uses + 1, last_used_at=use.at, sealed=use.sealed)

    async def list_sleeping_keys(self, unused_since: datetime) -> list[AppKey]:
        self._check()
        keys = [key for key in self._state.app_keys.values() if key.disabled_at is None and key.made_at < unused_since]
        idle = [key for key in keys if (key.last_used_at or key.made_at) < unused_since]
        return sorted((key for key in idle if (key.woken_at or key.made_at) < unused_since), key=lambda key: key.id)

    async def list_app_secrets(self) -> list[AppSecret]:
        self._check()
        return [self._state.app_secrets[name] for name in sorted(self._state.app_secrets)]

    async def put_app_secret(self, secret: AppSecret) -> None:
        self._check()
        self._state.app_secrets[secret.name] = secret
        self._state.revision += 1

    async def remove_app_secret(self, name: str) -> bool:
        self._check()
        gone = self._state.app_secrets.pop(name, None) is not None
        self._state.revision += gone
        return gone


def _without_use(key: AppKey) -> AppKey:
    return replace(key, uses=0, last_used_at=None, sealed="")
