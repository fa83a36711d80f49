"""Where a bundle comes from: a folder, or a channel of a registry that is followed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aisle.bundle.manifest import MANIFEST_NAME
from aisle.errors import AisleError
from aisle.registry.registry import PRODUCTION, Registry


class Source(Protocol):
    """Something that bundles come from. Both methods may read a disk or a network: not for the event loop."""

    def version(self) -> str:
        """Return what changes when another bundle is to be served; cheap enough to be asked every few seconds."""

    def folder(self) -> Path:
        """Return the bundle's folder on this machine."""


@dataclass(frozen=True)
class FolderSource:
    """A folder, or a link to one, that may be replaced by another bundle at any time."""

    path: Path

    def version(self) -> str:
        """Return the SHA-256 of the manifest."""
        try:
            return hashlib.sha256((self.path / MANIFEST_NAME).read_bytes()).hexdigest()
        except OSError as error:
            raise AisleError(
                f"no bundle at {self.path}: {MANIFEST_NAME} cannot be read ({error.strerror})",
                hint="give the folder that `aisle export RUN --out BUNDLE` wrote, or the address of a registry",
                code="E083",
            ) from error

    def folder(self) -> Path:
        """Return where the folder is now: a link may lead elsewhere later."""
        self.version()
        return self.path.resolve()


@dataclass(frozen=True)
class RegistrySource:
    """A channel of a registry."""

    registry: Registry
    channel: str
    cache: Path

    def version(self) -> str:
        """Return the number of the channel's last change."""
        return str(self.registry.version(self.channel))

    def folder(self) -> Path:
        """Fetch what the channel serves.

        Raises:
            AisleError: E083 where nothing was ever promoted, E04x when the registry cannot be read.
        """
        bundle = self.registry.current(self.channel)
        if bundle is None:
            raise AisleError(
                f"channel {self.channel} of {self.registry.url} serves nothing yet",
                hint="publish and promote a bundle: `aisle publish BUNDLE REGISTRY`, `aisle promote`",
                code="E083",
            )
        return self.registry.fetch(bundle, self.cache)


def source_of(address: str, cache: Path, channel: str = PRODUCTION, public_key: Path | None = None) -> Source:
    """Return what an address means: a folder with a manifest is a bundle, anything else a registry.

    Args:
        address: a folder, or an address that fsspec opens.
        cache: where bundles of registries are copied to.
        channel: of a registry.
        public_key: that bundles of a registry must be signed with.
    """
    path = Path(address)
    is_registry = "://" in address or (path / "history").is_dir()
    if is_registry and not (path / MANIFEST_NAME).exists():
        return RegistrySource(Registry(address, public_key=public_key), channel, cache)
    return FolderSource(path)
