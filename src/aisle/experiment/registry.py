"""The models by name, from every family of `experiment.kinds`."""

from __future__ import annotations

from typing import Any, TypeAlias

from aisle.experiment.job import ModelKind
from aisle.experiment.kinds import counting, factorised, pairs, sessions, towers

ModelConfig: TypeAlias = Any  # the config dataclass of one of MODELS, see `ModelKind.config`

MODELS: dict[str, ModelKind] = {**counting.KINDS, **pairs.KINDS, **factorised.KINDS, **towers.KINDS, **sessions.KINDS}
