"""Which store an address names."""

from __future__ import annotations

from pathlib import Path

import pytest

from aisle.errors import AisleError
from aisle.serve.events.store import store_path


@pytest.mark.parametrize(
    ("address", "path"),
    [("var/events", "var/events/events.db"), ("var/shop.db", "var/shop.db"), ("/x/e.sqlite3", "/x/e.sqlite3")],
)
def test_an_address_is_a_file_or_a_folder(address: str, path: str) -> None:
    assert store_path(address) == Path(path)


def test_an_address_of_something_else_is_refused() -> None:
    with pytest.raises(AisleError, match="postgres:// is no event store") as error:
        store_path("postgres://shop")
    assert error.value.code == "E059"
