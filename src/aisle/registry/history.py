"""What a channel has served: numbered entries that are only ever added, `history/<channel>/000017.json`.

Each entry says which one a rollback goes back to, so the last entry alone is enough to know where the channel stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from aisle.errors import AisleError
from aisle.registry.store import Store

_FOLDER = "history"
# Far more than ever meet here; only a store without rights to write, or one that lies, takes so many.
_MOST_ATTEMPTS = 100


class Entry(BaseModel):
    """One change of a channel.

    Attributes:
        number: from 1, without a gap.
        action: what was done.
        bundle: the id that is served from here on.
        back_to: the number of the entry that a rollback from here returns to; None where there is none.
        who, when, why: the person or job, the moment in UTC, and the reason in words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    action: Literal["promote", "rollback"]
    bundle: str
    back_to: int | None
    who: str
    when: datetime
    why: str


class History:
    """The entries of one channel.

    Args:
        store: where the registry lies.
        channel: its name, such as "production".

    Raises:
        AisleError: E043 for a name that cannot be a folder.
    """

    def __init__(self, store: Store, channel: str) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", channel):
            raise AisleError(
                f"{channel!r} cannot be the name of a channel",
                hint="use lower-case letters, digits, '-', '_' and '.', such as production",
                code="E043",
            )
        self._store, self._folder, self.channel = store, f"{_FOLDER}/{channel}", channel

    def numbers(self) -> list[int]:
        """Return the numbers of the entries, oldest first."""
        names = self._store.names(self._folder)
        return [int(match[1]) for name in names if (match := re.fullmatch(r"(\d{6,})\.json", name))]

    def entry(self, number: int) -> Entry:
        """Read one entry.

        Raises:
            AisleError: E046 when it is gone or is none.
        """
        path = self._path(number)
        content = self._store.read(path)
        try:
            entry = Entry.model_validate_json(content or b"")
        except ValidationError as error:
            seen = "is not there" if content is None else "is no entry of a history"
            raise _damaged(f"{self._store.url}/{path} {seen}") from error
        if entry.number != number:
            raise _damaged(f"{self._store.url}/{path} says that it is entry {entry.number}")
        return entry

    def last(self) -> Entry | None:
        """Return the newest entry, None for a channel that never had one."""
        numbers = self.numbers()
        return self.entry(max(numbers)) if numbers else None

    def append(self, make: Callable[[Entry | None], Entry | None]) -> Entry | None:
        """Add the entry that `make` draws up from the last one; when another writer is first, it is asked again.

        Args:
            make: last entry (None for an empty history) -> the next one, or None to add nothing.

        Returns:
            The entry that was added, None when `make` wanted none.

        Raises:
            AisleError: E045 when others are always first.
        """
        for _ in range(_MOST_ATTEMPTS):
            entry = make(self.last())
            if entry is None:
                return None
            if self._store.create(self._path(entry.number), entry.model_dump_json(indent=2).encode()):
                return entry
        raise AisleError(
            f"channel {self.channel} of {self._store.url} changed {_MOST_ATTEMPTS} times while it was to be changed here",
            hint="look who else changes it with `aisle registry`, and try again",
            code="E045",
        )

    def _path(self, number: int) -> str:
        return f"{self._folder}/{number:06d}.json"


def channels(store: Store) -> list[str]:
    """Return the channels that have a history."""
    return store.names(_FOLDER)


def _damaged(message: str) -> AisleError:
    return AisleError(message, hint="restore it from a backup; entries are never changed or removed by aisle", code="E046")
