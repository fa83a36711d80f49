from __future__ import annotations

import polars as pl
import pytest

from aisle.errors import AisleError
from aisle.logs.columnar import open_frame
from aisle.logs.mapping import map_log
from aisle.logs.recipe import LogRecipe


def mapped(columns: list[str], /, **recipe: object) -> dict[str, str]:
    return map_log(open_frame(pl.DataFrame({name: ["1"] for name in columns})), LogRecipe.model_validate(recipe))


def refused(columns: list[str], /, **recipe: object) -> AisleError:
    with pytest.raises(AisleError) as caught:
        mapped(columns, **recipe)
    return caught.value


def test_aliases_are_found_whatever_their_case() -> None:
    assert mapped(["visitorid", "ItemID", "event", "TimeStamp", "transactionid"]) == {
        "user_id": "visitorid", "item_id": "ItemID", "event": "event", "timestamp": "TimeStamp",
    }  # fmt: skip


def test_our_own_name_wins_over_an_alias_and_the_user_wins_over_both() -> None:
    columns = ["user_id", "uid", "item_id", "event", "timestamp"]
    assert mapped(columns)["user_id"] == "user_id"
    assert mapped(columns, columns={"user_id": "uid"})["user_id"] == "uid"


def test_two_aliases_for_one_part_are_an_error_that_names_both() -> None:
    error = refused(["uid", "visitorid", "item_id", "event", "timestamp"])
    assert error.code == "E106"
    assert "'uid', 'visitorid' could each be user_id" in error.message


def test_an_empty_name_means_that_there_is_no_such_column() -> None:
    columns = ["user", "item", "event", "ts", "rating", "score"]
    assert refused(columns).code == "E106"
    assert "weight" not in mapped(columns, columns={"weight": ""})


def test_a_wrong_separator_is_guessed_from_the_header() -> None:
    error = refused(["user_id;item_id;event;timestamp"])
    assert error.code == "E105"
    assert "';'" in error.hint


def test_a_log_must_say_what_happened_and_when() -> None:
    assert refused(["user", "item", "ts"]).code == "E108"
    assert "--event" in refused(["user", "item", "ts"]).hint
    assert refused(["user", "item", "event"]).code == "E115"
    assert mapped(["user", "item"], event="view", order="rows") == {"user_id": "user", "item_id": "item"}


def test_a_constant_event_leaves_a_column_of_that_name_alone() -> None:
    assert "event" not in mapped(["user", "item", "type", "ts"], event="view")


@pytest.mark.parametrize(
    ("recipe", "code"),
    [
        ({"columns": {"user_id": "usr"}}, "E105"),
        ({"order": "place"}, "E105"),
        ({"context": ["hour"]}, "E105"),
        ({"filters": [{"reason": "x", "column": "kind", "op": "is_null"}]}, "E105"),
    ],
)
def test_columns_that_are_asked_for_must_be_there(recipe: dict[str, object], code: str) -> None:
    assert refused(["user", "item", "event", "ts"], **recipe).code == code
