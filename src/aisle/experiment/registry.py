"""The models by name, from every family of `experiment.kinds`."""

from __future__ import annotations

from typing import Any, TypeAlias

from aisle.experiment.job import ModelKind
from aisle.experiment.kinds import counting, factorised, pairs, sequences, sessions, stages, towers

ModelConfig: TypeAlias = Any  # the config dataclass of one of MODELS, see `ModelKind.config`

_FAMILIES = (counting, pairs, factorised, sequences, towers, sessions, stages)
_SINGLE: dict[str, ModelKind] = {name: kind for family in _FAMILIES for name, kind in family.KINDS.items()}
MODELS: dict[str, ModelKind] = {**_SINGLE, "two-stage": stages.two_stage(_SINGLE)}
