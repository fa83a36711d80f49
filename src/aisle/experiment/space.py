"""What a search may change: the `[tune]` section of a recipe, a range or a list of choices for each key."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from aisle.errors import AisleError, did_you_mean


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included; whole numbers where both ends are.

    Attributes:
        low, high: the ends.
        log: draw evenly on a logarithmic scale, as for a learning rate.
    """

    low: float
    high: float
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def corners(self) -> tuple[Any, ...]:
        """The values to try a recipe with before anything is trained."""
        return (self.low, self.high)

    def __contains__(self, value: Any) -> bool:
        number = isinstance(value, int if self.whole else int | float) and not isinstance(value, bool)
        return bool(number and self.low <= value <= self.high)


@dataclass(frozen=True)
class Choices:
    """One of several values.

    Attributes:
        choices: in the order given; any type that the key takes.
    """

    choices: tuple[Any, ...]

    @property
    def corners(self) -> tuple[Any, ...]:
        """The values to try a recipe with before anything is trained."""
        return self.choices

    def __contains__(self, value: Any) -> bool:
        return value in self.choices


Space: TypeAlias = dict[str, Range | Choices]  # "section.key" -> what it may be


def parse_space(raw: object, known: Sequence[str], where: str) -> Space:
    """Read a `[tune]` section.

    Args:
        raw: "section.key" -> {low, high, log} or {choices}.
        known: the keys that may be searched for this model.
        where: the recipe's name, for messages.

    Raises:
        AisleError: E401 for a key that cannot be searched, E407 for a range or choices that cannot be.
    """
    if not isinstance(raw, Mapping):
        raise AisleError(f"{where}: 'tune' is {raw!r}, not a section", hint=_EXAMPLE, code="E407")
    return {key: _parse(key, value, known, where) for key, value in raw.items()}


def parse_search(text: str) -> tuple[str, dict[str, Any]]:
    """Read `KEY=LOW:HIGH`, `KEY=LOW:HIGH:log` or `KEY=A,B,C` as a key and what stands behind it in `[tune]`.

    Raises:
        AisleError: E407 when it is none of them.

    Example:
        >>> parse_search("train.learning_rate=1e-4:1e-2:log")
        ('train.learning_rate', {'low': 0.0001, 'high': 0.01, 'log': True})
        >>> parse_search("train.optimiser=adam,sgd")
        ('train.optimiser', {'choices': ['adam', 'sgd']})
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip() or not value.strip():
        raise AisleError(f"--search {text!r} is not KEY=LOW:HIGH, KEY=LOW:HIGH:log or KEY=A,B,C", hint=_SEARCH, code="E407")
    if ":" not in value:
        return key.strip(), {"choices": _list_of(value)}
    low, high, *rest = (part.strip() for part in value.split(":"))
    if rest not in ([], ["log"]):
        raise AisleError(f"--search {text!r}: after LOW:HIGH only :log can stand", hint=_SEARCH, code="E407")
    ends = {"low": _list_of(low)[0], "high": _list_of(high)[0]}
    return key.strip(), {**ends, "log": True} if rest else ends


def space_as_dict(space: Space) -> dict[str, Any]:
    """Return a space as it stands in `[tune]`, in plain JSON types."""
    return {
        key: {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(part).items()} for key, part in space.items()
    }


_EXAMPLE = 'such as "train.learning_rate" = {low = 1e-4, high = 1e-2, log = true} or "parameters.factors" = {choices = [16, 32]}'
_SEARCH = "for example --search train.learning_rate=1e-4:1e-2:log or --search parameters.factors=16,32,64"


def _list_of(text: str) -> list[Any]:
    """Read "16,32" as TOML values, and what is no TOML as words."""
    try:
        values: list[Any] = tomllib.loads(f"values = [{text}]")["values"]
    except tomllib.TOMLDecodeError:
        return [part.strip() for part in text.split(",")]
    return values


def _parse(key: str, value: object, known: Sequence[str], where: str) -> Range | Choices:
    if key not in known:
        nested = isinstance(value, Mapping) and f"{key}.{next(iter(value), '')}" in known
        hint = f'write the key in quotes: "{key}.{next(iter(value), "")}" = ...' if nested else did_you_mean(key, known)  # type: ignore[call-overload]
        raise AisleError(f"{where}: '{key}' in [tune] is no key to search", hint=hint, code="E401")
    if isinstance(value, Mapping) and set(value) == {"choices"}:
        return _choices(key, value["choices"], where)
    if isinstance(value, Mapping) and {"low", "high"} <= set(value) <= {"low", "high", "log"}:
        return _range(key, value, where)
    raise AisleError(
        f"{where}: {key} = {value!r} in [tune] is neither {{low, high, log}} nor {{choices}}", hint=_EXAMPLE, code="E407"
    )


def _choices(key: str, values: object, where: str) -> Choices:
    if not isinstance(values, list | tuple) or not values:
        raise AisleError(
            f"{where}: choices of {key} are {values!r}; expected a list with a value or more", hint=_EXAMPLE, code="E407"
        )
    return Choices(tuple(values))


def _range(key: str, value: Mapping[str, Any], where: str) -> Range:
    low, high, log = value["low"], value["high"], value.get("log", False)
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) and math.isfinite(end) for end in (low, high))
    if not numbers or not low < high or not isinstance(log, bool):
        raise AisleError(
            f"{where}: {key} from {low!r} to {high!r} in [tune] is no range; expected two numbers, low below high",
            hint=_EXAMPLE,
            code="E407",
        )
    if log and low <= 0:
        raise AisleError(
            f"{where}: {key} starts at {low!r} in [tune], and a logarithmic scale has no place for it",
            hint="start above 0, or leave log out",
            code="E407",
        )
    return Range(low, high, log)
