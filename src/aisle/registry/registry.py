"""A registry: bundles in a folder anywhere, and channels that say which one is served.

bundles/<id>/...              a bundle as it was exported; its manifest.json came last, so without one there is no bundle
history/<channel>/000017.json one change of a channel; the last one says what is served
"""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from aisle.bundle.check import check_bundle
from aisle.bundle.manifest import MANIFEST_NAME, SIGNATURE_NAME, Manifest, bundle_id, parse_manifest
from aisle.errors import AisleError, did_you_mean
from aisle.registry.cache import KEEP, fetch_bundle
from aisle.registry.history import Entry, History, channels
from aisle.registry.store import Store

PRODUCTION = "production"
_BUNDLES = "bundles"


class _Signed(TypedDict):
    who: str
    when: datetime
    why: str


@dataclass(frozen=True)
class Published:
    """A bundle in a registry.

    Attributes:
        id: what it is called there: the first 12 hex digits of the SHA-256 of its manifest.
        name: what its manifest calls it.
        is_new: False where the registry had it already.
        is_signed_now: whether the registry had it without a signature, and got that now.
    """

    id: str
    name: str
    is_new: bool
    is_signed_now: bool


class Registry:
    """Bundles and channels at one address.

    Args:
        url: a folder of this machine, or an address that fsspec opens (s3://, gs://, ...).
        public_key: PEM file of the key that bundles must be signed with; None = a signature is not asked for.

    Raises:
        AisleError: E040 when the address cannot be used; so do all methods.

    Example:
        >>> registry = Registry("s3://shop/registry")                              # doctest: +SKIP
        >>> registry.promote(registry.publish(Path("runs/demo/bundle")).id)        # doctest: +SKIP
        >>> registry.fetch(registry.current(), Path("cache"))                      # doctest: +SKIP
    """

    def __init__(self, url: str, *, public_key: Path | None = None) -> None:
        self.url, self._key, self._store = url, public_key, Store(url)

    def publish(self, folder: Path) -> Published:
        """Check a bundle and copy it here; nobody is served from it before it is promoted.

        The same bundle a second time changes nothing, unless it is signed by now: then its signature is added. What a killed
        publish left is finished by the next one.

        Raises:
            AisleError: E0xx when the bundle is not whole (see `check_bundle`), E039 when the registry has it with the signature
                of another key, E042 when another one has its id.
        """
        manifest = check_bundle(folder, public_key=self._key)
        content = (folder / MANIFEST_NAME).read_bytes()
        published = bundle_id(content)
        is_new = not self._has(published, content)
        if is_new:
            for path in sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()):
                if path != MANIFEST_NAME:
                    self._store.put(folder / path, f"{_BUNDLES}/{published}/{path}")
            # Where another process was quicker, what it wrote has to be the same.
            if not self._store.create(_manifest_path(published), content):
                is_new = not self._has(published, content)
        is_signed_now = not is_new and self._add_signature(folder / SIGNATURE_NAME, published)
        return Published(published, manifest.name, is_new, is_signed_now)

    def _add_signature(self, signature: Path, bundle: str) -> bool:
        """Give a bundle that is here the signature that it has by now; return whether there was none."""
        if not signature.exists():
            return False
        content, place = signature.read_bytes(), f"{_BUNDLES}/{bundle}/{SIGNATURE_NAME}"
        if self._store.create(place, content):
            return True
        if self._store.read(place) != content:  # the same key gives the same signature
            raise AisleError(
                f"{self.url} has bundle {bundle} with the signature of another key",
                hint=f"services may trust that one; if they shall not, remove {place} there and publish again",
                code="E039",
            )
        return False

    def _has(self, bundle: str, content: bytes) -> bool:
        """Return whether the registry holds this manifest."""
        there = self._store.read(_manifest_path(bundle))
        if there is not None and there != content:
            raise AisleError(
                f"{self.url} has another bundle under the id {bundle}: the manifests differ",
                hint=f"look at {_manifest_path(bundle)} there: it was altered, or two manifests share 48 bits of SHA-256",
                code="E042",
            )
        return there is not None

    def bundles(self) -> dict[str, Manifest]:
        """Return the id and manifest of every bundle here, the oldest first.

        Raises:
            AisleError: E046 when a manifest is not the one that was published, E004 when it is of a newer aisle.
        """
        found = {name: self._manifest(name) for name in self._store.names(_BUNDLES)}
        whole = [(name, manifest) for name, manifest in found.items() if manifest is not None]
        return dict(sorted(whole, key=lambda entry: (str(entry[1].created), entry[0])))

    def _manifest(self, bundle: str) -> Manifest | None:
        """Read a manifest; None where there is no bundle, or one that is still being copied."""
        content = self._store.read(_manifest_path(bundle))
        if content is None:
            return None
        path = _manifest_path(bundle)
        if bundle_id(content) != bundle:
            raise AisleError(
                f"{path} in {self.url} was altered: it is the manifest of {bundle_id(content)}",
                hint=f"remove {_BUNDLES}/{bundle} there, and publish that bundle again",
                code="E046",
            )
        return parse_manifest(content, Path(path))

    def promote(self, bundle: str, channel: str = PRODUCTION, *, why: str = "", who: str | None = None) -> Entry:
        """Let a channel serve a bundle from now on; where it does so already, nothing is added.

        Raises:
            AisleError: E041 for a bundle that is not here, E043 for a name that is none of a channel.
        """
        history = History(self._store, channel)
        self._need(bundle)
        signed = _signed(who, why)
        standing: Entry | None = None

        def make(last: Entry | None) -> Entry | None:
            nonlocal standing
            standing = last if last is not None and last.bundle == bundle else None
            if standing is not None:
                return None
            number, back_to = (1, None) if last is None else (last.number + 1, last.number)
            return Entry(number=number, action="promote", bundle=bundle, back_to=back_to, **signed)

        entry = history.append(make) or standing
        assert entry is not None
        return entry

    def rollback(self, channel: str = PRODUCTION, *, why: str = "", who: str | None = None) -> Entry:
        """Let a channel serve what it served before; a second time goes one further back.

        Raises:
            AisleError: E044 when there is nothing before, E041 when that bundle is gone, E045 when somebody else changed the
                channel at the same moment: what was to be taken back is no longer what is served.
        """
        history = History(self._store, channel)
        seen, signed = history.last(), _signed(who, why)

        def make(last: Entry | None) -> Entry:
            if last is None or last.back_to is None:
                raise AisleError(
                    f"channel {channel} of {self.url} has served no bundle before "
                    + ("" if last is None else f"{last.bundle}: it is the first"),
                    hint="promote another bundle with `aisle promote`; `aisle registry` lists them",
                    code="E044",
                )
            if last != seen:
                raise AisleError(
                    f"somebody changed channel {channel} of {self.url} just now: {last.action} to {last.bundle} by {last.who}",
                    hint="look at it with `aisle registry`, and roll back again if that is still wanted",
                    code="E045",
                )
            target = history.entry(last.back_to)
            self._need(target.bundle)
            number = last.number + 1
            return Entry(number=number, action="rollback", bundle=target.bundle, back_to=target.back_to, **signed)

        entry = history.append(make)
        assert entry is not None
        return entry

    def history(self, channel: str = PRODUCTION) -> tuple[Entry, ...]:
        """Return every change of a channel, oldest first.

        Raises:
            AisleError: E043 for a name that is none of a channel, E046 when an entry is damaged.
        """
        history = History(self._store, channel)
        return tuple(history.entry(number) for number in history.numbers())

    def current(self, channel: str = PRODUCTION) -> str | None:
        """Return the id that a channel serves, None where nothing was ever promoted.

        Raises:
            AisleError: E043 for a name that is none of a channel, E046 when its last entry is damaged.
        """
        last = History(self._store, channel).last()
        return None if last is None else last.bundle

    def channels(self) -> list[str]:
        """Return the names of the channels that ever served something."""
        return channels(self._store)

    def version(self, channel: str = PRODUCTION) -> int:
        """Return a number that grows with every change of a channel, 0 where there was none: one listing, for who watches."""
        return max(History(self._store, channel).numbers(), default=0)

    def fetch(self, bundle: str, cache_folder: Path, *, keep: int = KEEP) -> Path:
        """Bring a bundle to this machine: whole and checked, or not at all.

        Args:
            bundle: its id.
            cache_folder: where copies are kept, one folder an id. May be shared by processes; those that follow several channels
                should have one each, or `keep` enough for all.
            keep: copies to keep, the last used ones; what a process has mapped stays readable after it is removed.

        Returns:
            The folder of the copy.

        Raises:
            AisleError: E041 for a bundle that is not here, E046 when its manifest is damaged, E0xx when a file is missing or
                altered (see `check_bundle`), E601 when the disk is full.
        """
        manifest = self._need(bundle)
        return fetch_bundle(self._store, f"{_BUNDLES}/{bundle}", manifest, cache_folder / bundle, public_key=self._key, keep=keep)

    def _need(self, bundle: str) -> Manifest:
        # An id has no slashes and no dots: what is asked for here never leaves the folder of bundles.
        manifest = self._manifest(bundle) if bundle.isalnum() else None
        if manifest is None:
            known = self._store.names(_BUNDLES)
            raise AisleError(
                f"no bundle {bundle!r} in {self.url}",
                hint=did_you_mean(bundle, known) if known else "publish one with `aisle publish BUNDLE REGISTRY`",
                code="E041",
            )
        return manifest


def _signed(who: str | None, why: str) -> _Signed:
    return {"who": who or caller(), "when": datetime.now(UTC), "why": why}


def caller() -> str:
    """Return the name of the user that runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no entry in the password file
        return f"uid {os.getuid()}"


def _manifest_path(bundle: str) -> str:
    return f"{_BUNDLES}/{bundle}/{MANIFEST_NAME}"
