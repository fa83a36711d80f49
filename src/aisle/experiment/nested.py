"""Recipes inside a recipe: the models that a two-stage model is made of, each checked like one of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from aisle.errors import AisleError, did_you_mean
from aisle.experiment.job import ModelKind
from aisle.experiment.kinds.stages_config import CANDIDATE_FM, StageConfig, TwoStageConfig
from aisle.models.candidate_fm import CandidateFMConfig
from aisle.train.config import TrainConfig

# Reads one section: its config's type, the raw TOML that holds it, its name there, and where that is.
ReadSection = Callable[[type[Any], Mapping[str, Any], str, str], Any]
_KEYS = [field.name for field in dataclasses.fields(StageConfig)]


@dataclasses.dataclass(frozen=True)
class NestedReader:
    """Reads the `[parameters]` of a two-stage recipe.

    Attributes:
        read: reads one section.
        kinds: the models that may be named.
        train: the recipe's own `[train]`, as read from TOML.
        where: the recipe, for messages.
    """

    read: ReadSection
    kinds: Mapping[str, ModelKind]
    train: Mapping[str, Any]
    where: str

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """Check all stages.

        Raises:
            AisleError: E401 unknown key, E402 a value that does not fit, and those of the models' own configs.
        """
        checked = dict(values)
        for key in ("recall", "fallback"):
            if key in values:
                checked[key] = [
                    self._stage(entry, f"parameters.{key}[{place}]", self._named())
                    for place, entry in enumerate(self._list(key, values))
                ]
        if values.get("ranker") is not None:
            configs = self._named() | {CANDIDATE_FM: CandidateFMConfig}
            checked["ranker"] = self._stage(values["ranker"], "parameters.ranker", configs)
        return self.read(TwoStageConfig, {"parameters": checked}, "parameters", self.where)

    def _named(self) -> dict[str, type[Any]]:
        return {name: kind.config for name, kind in self.kinds.items() if kind.config is not TwoStageConfig}

    def _list(self, key: str, values: Mapping[str, Any]) -> list[Any]:
        entries = values[key]
        if not isinstance(entries, list | tuple):
            raise AisleError(
                f"{self.where}: parameters.{key} = {entries!r} does not fit: expected a list",
                hint=f'write {key} = [{{model = "item-knn"}}]',
                code="E402",
            )
        return list(entries)

    def _stage(self, entry: object, at: str, configs: Mapping[str, type[Any]]) -> StageConfig:
        if not isinstance(entry, Mapping):
            raise AisleError(
                f"{self.where}: {at} = {entry!r} is not a model",
                hint='write it as {model = "item-knn", count = 200}',
                code="E402",
            )
        for key in entry:
            if key not in _KEYS:
                raise AisleError(f"{self.where}: unknown key '{at}.{key}'", hint=did_you_mean(key, _KEYS), code="E401")
        model = entry.get("model")
        if not isinstance(model, str) or model not in configs:
            hint = did_you_mean(str(model), list(configs))
            raise AisleError(f"{self.where}: {at}.model = {model!r} is not a model", hint=hint, code="E402")
        own = entry.get("train", {})
        if isinstance(own, Mapping):
            self.read(TrainConfig, {f"{at}.train": {**self.train, **own}}, f"{at}.train", self.where)
        parameters = self.read(
            configs[model], {f"{at}.parameters": entry.get("parameters") or {}}, f"{at}.parameters", self.where
        )
        return self.read(StageConfig, {at: {**entry, "parameters": parameters}}, at, self.where)  # type: ignore[no-any-return]
