"""A recipe: everything that decides a run, in one TOML file whose keys are checked."""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from aisle.dataset.split_config import SplitConfig
from aisle.errors import AisleError, did_you_mean
from aisle.evaluate.protocol import EvaluateConfig
from aisle.experiment.kinds.stages_config import TwoStageConfig
from aisle.experiment.nested import NestedReader
from aisle.experiment.registry import MODELS, ModelConfig
from aisle.experiment.space import Space, parse_search, parse_space
from aisle.recommend.rules import Rules
from aisle.storage.atomic import write_atomic
from aisle.train.config import TrainConfig

_Config = TypeVar("_Config")
_BUILT_IN = resources.files("aisle.recipes") / "models"
_NEVER_TUNED = ("train.refit", "train.seed", "train.device", "train.threads")  # none of them is a better model


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides a run, besides the dataset.

    Attributes:
        model: a name in `experiment.registry.MODELS`.
        parameters: the model's own config; its keys stand under `[parameters]`.
        split: how the dataset is cut, `[split]`.
        train: the loop, `[train]`; not used by models that only count.
        evaluate: the protocol, `[evaluate]`.
        rules: what the shop allows in a list, `[rules]`; recommending keeps them, measuring asks the model without them.
        baselines: models measured beside this one on the same cases.

    Example:
        >>> load_recipe("ncf", ["parameters.factors=16"]).parameters.factors
        16
    """

    model: str
    parameters: ModelConfig
    split: SplitConfig
    train: TrainConfig
    evaluate: EvaluateConfig
    baselines: tuple[str, ...] = ("popularity", "item-knn")
    rules: Rules = dataclasses.field(default_factory=Rules)


def load_recipe(source: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        source: the name of a recipe that ships with aisle ("ncf"), or the path of a TOML file.
        overrides: "section.key=value" each, the value as TOML or plain text; a later one wins.

    Raises:
        AisleError: E400 no such recipe, E401 unknown key, E402 a value that does not fit, E403 not TOML, E407 a `[tune]`
            section that is no search space.
    """
    raw = _read(source)
    for override in overrides:
        _apply(raw, override)
    return parse_recipe(raw, str(source))


def load_space(source: str | Path, searches: Sequence[str] = ()) -> Space:
    """Read what a search may change: the recipe's `[tune]`, which decides no run and so is no part of a `Recipe`.

    Args:
        source: as for `load_recipe`.
        searches: "section.key=low:high", "section.key=low:high:log" or "section.key=a,b,c" each; a later one wins.

    Raises:
        AisleError: those of `load_recipe`, and E407.
    """
    raw = _read(source)
    parse_recipe(raw, str(source))
    wanted = {**raw.get("tune", {}), **dict(parse_search(search) for search in searches)}
    return parse_space(wanted, _tunable_keys(raw["model"]), str(source))


def _tunable_keys(model: str) -> list[str]:
    """Return the keys that a search may change: those of the model, and of its training where it is trained."""
    kind = MODELS[model]
    keys = [f"parameters.{field.name}" for field in dataclasses.fields(kind.config)]
    if kind.trained:
        keys += [f"train.{field.name}" for field in dataclasses.fields(TrainConfig)]
    return [key for key in keys if key not in _NEVER_TUNED]


def recipe_names() -> list[str]:
    """Return the names of the recipes that ship with aisle."""
    return sorted(entry.name.removesuffix(".toml") for entry in _BUILT_IN.iterdir() if entry.name.endswith(".toml"))


def _read(source: str | Path) -> dict[str, Any]:
    path = Path(source)
    if not path.suffix and str(source) in recipe_names():
        text = (_BUILT_IN / f"{source}.toml").read_text()
    elif path.is_file():
        text = path.read_text()
    else:
        raise AisleError(
            f"no recipe '{source}': neither a recipe of aisle nor a file",
            hint=did_you_mean(str(source), recipe_names()),
            code="E400",
        )
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AisleError(
            f"recipe {source} is not TOML: {error}", hint="see `aisle train --help` for an example", code="E403"
        ) from error


def _apply(raw: dict[str, Any], override: str) -> None:
    """Set one `section.key=value` in place."""
    path, equals, value = override.partition("=")
    *sections, key = path.strip().split(".")
    if not equals or not key:
        raise AisleError(f"--set {override!r} is not KEY=VALUE", hint="for example --set train.epochs=5", code="E401")
    for section in sections:
        raw = raw.setdefault(section, {})
        if not isinstance(raw, dict):
            raise AisleError(f"--set {override!r}: '{section}' is a value, not a section", hint="leave the rest out", code="E401")
    try:
        raw[key] = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        raw[key] = value.strip()


def parse_recipe(raw: Mapping[str, Any], where: str) -> Recipe:
    """Check a recipe that is already read; see `load_recipe`."""
    _check_keys(raw, [*(field.name for field in dataclasses.fields(Recipe)), "tune"], "", where)
    model = raw.get("model")
    if not isinstance(model, str) or model not in MODELS:
        raise AisleError(f"{where}: model = {model!r} is not a model", hint=did_you_mean(str(model), MODELS), code="E402")
    baselines = raw.get("baselines", Recipe.baselines)
    if not isinstance(baselines, list | tuple):
        hint = (
            f"write baselines = [{json.dumps(baselines)}]" if isinstance(baselines, str) else 'such as baselines = ["popularity"]'
        )
        raise AisleError(f"{where}: baselines = {baselines!r} does not fit: expected a list", hint=hint, code="E402")
    for name in baselines:
        if not isinstance(name, str) or name not in MODELS:
            raise AisleError(f"{where}: baseline {name!r} is not a model", hint=did_you_mean(str(name), MODELS), code="E402")
    recipe = Recipe(
        model=model,
        parameters=_parameters(model, raw, where),
        split=_section(SplitConfig, raw, "split", where),
        train=_section(TrainConfig, raw, "train", where),
        evaluate=_section(EvaluateConfig, raw, "evaluate", where),
        baselines=tuple(baselines),
        rules=_section(Rules, raw, "rules", where),
    )
    parse_space(raw.get("tune", {}), _tunable_keys(model), where)
    if recipe.split.repeats and recipe.evaluate.filter_seen:
        raise AisleError(
            f"{where}: split.repeats = true asks for items that the shopper has seen, and evaluate.filter_seen = true never "
            "recommends them: they would all count as missed",
            hint="set evaluate.filter_seen = false too",
            code="E402",
        )
    return recipe


def _parameters(model: str, raw: Mapping[str, Any], where: str) -> ModelConfig:
    """Read the model's own config; that of a model made of models goes stage by stage."""
    config, values = MODELS[model].config, raw.get("parameters", {})
    if config is not TwoStageConfig or not isinstance(values, Mapping):
        return _section(config, raw, "parameters", where)
    train = raw.get("train", {})
    return NestedReader(_section, MODELS, train if isinstance(train, Mapping) else {}, where).parameters(values)


def _section(config: type[_Config], raw: Mapping[str, Any], name: str, where: str) -> _Config:
    values = raw.get(name, {})
    if not isinstance(values, Mapping):
        raise AisleError(f"{where}: '{name}' is {values!r}, not a section", hint=f"write it as [{name}]", code="E402")
    _check_keys(values, [field.name for field in dataclasses.fields(config)], f"{name}.", where)  # type: ignore[arg-type]
    _check_numbers(values, name, where)
    try:
        return TypeAdapter(config).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join([name, *(str(part) for part in first["loc"])])
        # pydantic speaks of tuples, which TOML does not have.
        why = "expected a list" if first["type"] == "tuple_type" else first["msg"]
        hint = f"write {key} = [{json.dumps(first['input'])}]" if first["type"] == "tuple_type" else f"mend {key} and run again"
        raise AisleError(f"{where}: {key} = {first['input']!r} does not fit: {why}", hint=hint, code="E402") from error


def _check_numbers(values: Mapping[str, Any], name: str, where: str) -> None:
    """Refuse numbers that no setting can be: TOML has inf and nan, and a seed is never negative."""
    for key, value in values.items():
        infinite = isinstance(value, float) and not math.isfinite(value)
        if infinite or (key == "seed" and isinstance(value, int) and value < 0):
            expected = "a finite number" if infinite else "0 or more"
            raise AisleError(
                f"{where}: {name}.{key} = {value} does not fit: expected {expected}",
                hint=f"mend {name}.{key} and run again",
                code="E402",
            )


def _check_keys(values: Mapping[str, Any], known: Sequence[str], prefix: str, where: str) -> None:
    for key in values:
        if key not in known:
            raise AisleError(f"{where}: unknown key '{prefix}{key}'", hint=did_you_mean(key, known), code="E401")


def recipe_as_dict(recipe: Recipe) -> dict[str, Any]:
    """Return every key with its value, defaults included, as plain JSON types."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(recipe)))
    return plain


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write a recipe as TOML that `load_recipe` reads back equal."""
    write_atomic(path, recipe_as_toml(recipe))


def recipe_as_toml(recipe: Recipe) -> str:
    """Return a recipe as the text of a TOML file."""
    plain = recipe_as_dict(recipe)
    lines = [f"{key} = {_toml(value)}" for key, value in plain.items() if not isinstance(value, dict)]
    for name, section in plain.items():
        if isinstance(section, dict):
            lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in section.items() if value is not None)]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """Write a JSON value as TOML, which has no null: a key without a value is left out."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(cell)}" for key, cell in value.items() if cell is not None) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(cell) for cell in value) + "]"
    return json.dumps(value)
