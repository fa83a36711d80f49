"""What a request may ask for."""

from __future__ import annotations

import pytest

from aisle.errors import AisleError
from aisle.experiment.request import Request


def test_a_list_of_fewer_than_no_items_is_refused() -> None:
    with pytest.raises(AisleError, match="k is -1") as caught:
        Request(k=-1)
    assert caught.value.code == "E314"
