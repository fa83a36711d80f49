"""What kind of shop to simulate: a few numbers that decide everything else."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date

from aisle.errors import AisleError
from aisle.simulate.words import CATEGORIES

ID_DIGITS = 7
ITEMS_A_CATEGORY = 10
MAX_EVENTS_A_USER_DAY = 50


@dataclass(frozen=True)
class ShopConfig:
    """A shop to simulate.

    Args:
        users: shoppers, 1 to 100,000,000.
        items: items of the catalogue, those that appear later included, 1 to 10,000,000.
        events: rows of the log, exactly; at most 50 a shopper and day.
        seed: 0 to 2**63 - 1; the same configuration gives the same files, byte for byte, on the same machine and versions.
        days: length of the log, 2 to 3,650.
        start: first day of the log (UTC), as YYYY-MM-DD.
        categories: at most this many, 1 to 24; never more than one for every ten items (`n_categories`).

    Raises:
        AisleError: E801 when a number is out of range, E802 when that many events do not fit, E803 when start is no date.

    Example:
        >>> ShopConfig(users=100, items=50, events=2_000).n_categories
        5
    """

    users: int
    items: int
    events: int
    seed: int = 0
    days: int = 60
    start: str = "2026-01-01"
    categories: int = 24

    def __post_init__(self) -> None:
        limits = {
            "users": (1, 100_000_000),
            "items": (1, 10_000_000),
            "events": (1, 10_000_000_000),
            "seed": (0, 2**63 - 1),
            "days": (2, 3_650),
            "categories": (1, len(CATEGORIES)),
        }
        for name, (low, high) in limits.items():
            _check_range(name, getattr(self, name), low, high)
        most = self.users * self.days * MAX_EVENTS_A_USER_DAY
        if self.events > most:
            raise AisleError(
                f"{self.events:,} events do not fit: {self.users:,} users in {self.days} days make at most {most:,}",
                hint="ask for fewer events, more users or more days",
                code="E802",
            )
        self._check_start()

    def _check_start(self) -> None:
        try:
            year = date.fromisoformat(self.start).year
        except (TypeError, ValueError):
            year = 0
        if not 1971 <= year <= 2200:
            raise AisleError(
                f"start is {self.start!r}; expected a date between 1971 and 2200",
                hint="write it as YYYY-MM-DD, such as 2026-01-01",
                code="E803",
            )

    @property
    def n_categories(self) -> int:
        """Categories that the shop really has: a category of fewer than ten items teaches nothing."""
        return max(1, min(self.categories, self.items // ITEMS_A_CATEGORY))

    @property
    def start_us(self) -> int:
        """Microseconds since 1970 UTC of the first midnight of the log."""
        return (date.fromisoformat(self.start) - date(1970, 1, 1)).days * DAY_MS * 1000

    def as_dict(self) -> dict[str, object]:
        """Return the fields for `shop.json`."""
        return asdict(self)


DAY_MS = 86_400_000


def _check_range(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise AisleError(
            f"{name} is {value!r}; expected a whole number between {low:,} and {high:,}",
            hint=f"choose another number of {name}" if name in ("users", "items", "events") else f"choose another {name}",
            code="E801",
        )
