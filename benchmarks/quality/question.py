"""What the quality benchmark is made of: a dataset with its protocol, its rows, the pairs to compare and the bars to reach."""

from __future__ import annotations

from dataclasses import dataclass, field

from aisle.simulate.config import ShopConfig

SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class Log:
    """A public log: the folder of the public data, and the files in it that `aisle prepare` takes."""

    train: str
    items: str | None = None
    users: str | None = None
    test: str | None = None
    negatives: str | None = None


@dataclass(frozen=True)
class Row:
    """One line of a table: a recipe, measured over seeds.

    Attributes:
        recipe: the name of a recipe that ships with aisle; it need not exist yet.
        name: what the row is called, by default as its recipe. Names its folder of runs too.
        set: overrides, "section.key=value" each, such as the protocol for a recipe that is made for no dataset.
        draws: whether the seed changes anything; False for models that only count or solve: one run speaks for them.
        one_seed: measure one seed only, because a run takes over 40 minutes; the table says so.
        slices: beginnings of the names of the slices that are kept, such as "pairs: " or "items: new".
        latency: also measure how long a shopper waits for an answer.
    """

    recipe: str
    name: str = ""
    set: tuple[str, ...] = ()
    draws: bool = True
    one_seed: bool = False
    slices: tuple[str, ...] = ()
    latency: bool = False

    @property
    def key(self) -> str:
        """The row's name in commands, folders and results."""
        return self.name or self.recipe


@dataclass(frozen=True)
class Pair:
    """Two rows that are compared case by case: b - a. They answer the same questions, from whatever they know."""

    a: str
    b: str


@dataclass(frozen=True)
class Bar:
    """What was promised.

    Attributes:
        words: the promise.
        rows: the best of these, by the first metric named, is held against the bar.
        least: metric -> the least (or, for an error, the most) that is promised.
        goal: the same for the goal beyond it.
        ahead_of: instead of numbers: the best row must be better than each of these, with a paired interval above zero.
        level_with: instead of numbers: (metric, row): the best row's mean must reach that row's.
        part: the slice whose figures count, such as "items: new (no training events)"; empty for all cases.
        gpu: only a GPU reaches it in reasonable time.
    """

    words: str
    rows: tuple[str, ...]
    least: dict[str, float] = field(default_factory=dict)
    goal: dict[str, float] = field(default_factory=dict)
    ahead_of: tuple[str, ...] = ()
    level_with: tuple[str, str] | None = None
    part: str = ""
    gpu: bool = False


@dataclass(frozen=True)
class Question:
    """One dataset and how it is asked.

    Attributes:
        name: of the dataset, its log recipe and its folder in the public data.
        source: the log, or the shop to simulate.
        protocol: the protocol in words.
        rows: what is measured.
        metrics: what is shown, the one that decides first.
        vary: the key of the recipe that differs from run to run, and what it is set to.
        pairs, bars: what is compared and what was promised.
    """

    name: str
    source: Log | ShopConfig
    protocol: str
    rows: tuple[Row, ...]
    metrics: tuple[str, ...] = ("HR@10", "NDCG@10")
    vary: str = "train.seed"
    over: tuple[int, ...] = SEEDS
    pairs: tuple[Pair, ...] = ()
    bars: tuple[Bar, ...] = ()

    @property
    def by_key(self) -> dict[str, Row]:
        """The rows by name."""
        return {row.key: row for row in self.rows}

    def numbers(self, row: Row) -> tuple[int, ...]:
        """Return the seeds (or folds) that the row is measured for."""
        varies = row.draws or self.vary != "train.seed"
        return self.over[:1] if row.one_seed or not varies else self.over
