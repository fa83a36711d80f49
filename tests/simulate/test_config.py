import pytest

from aisle.errors import AisleError
from aisle.simulate.config import ShopConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("users", 0),
        ("users", -5),
        ("users", 1.5),
        ("users", True),
        ("items", 0),
        ("items", "many"),
        ("events", 0),
        ("events", None),
        ("seed", -1),
        ("seed", 2**63),
        ("days", 1),
        ("categories", 25),
    ],
)
def test_a_number_out_of_range_is_refused_with_its_name_and_value(field: str, value: object) -> None:
    numbers: dict[str, object] = {"users": 10, "items": 10, "events": 100, field: value}
    with pytest.raises(AisleError, match=field) as caught:
        ShopConfig(**numbers)  # type: ignore[arg-type]
    assert caught.value.code == "E801"
    assert repr(value) in str(caught.value)


def test_more_events_than_shoppers_can_make_are_refused() -> None:
    # 2 shoppers in 3 days make at most 2 * 3 * 50 = 300 events.
    assert ShopConfig(users=2, items=10, events=300, days=3).events == 300
    with pytest.raises(AisleError, match="at most 300") as caught:
        ShopConfig(users=2, items=10, events=301, days=3)
    assert caught.value.code == "E802"


@pytest.mark.parametrize("start", ["tomorrow", "", "2026-13-01", "1492-10-12", "9999-01-01", None, 20260101])
def test_a_start_that_is_no_plausible_date_is_refused(start: object) -> None:
    with pytest.raises(AisleError, match="start is") as caught:
        ShopConfig(users=1, items=1, events=1, start=start)  # type: ignore[arg-type]
    assert caught.value.code == "E803"


def test_a_category_has_at_least_ten_items() -> None:
    assert ShopConfig(users=1, items=9, events=1).n_categories == 1
    assert ShopConfig(users=1, items=59, events=1).n_categories == 5
    assert ShopConfig(users=1, items=100_000, events=1).n_categories == 24


def test_the_log_begins_at_midnight_utc_of_its_start() -> None:
    # 1971-01-01 is 365 days after 1970-01-01.
    assert ShopConfig(users=1, items=1, events=1, start="1971-01-01").start_us == 365 * 86_400 * 1_000_000
