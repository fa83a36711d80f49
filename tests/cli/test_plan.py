"""`aisle plan`, as a person and as a script call it."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from aisle.cli.plan import command
from aisle.errors import AisleError


def run(*arguments: str) -> str:
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_table_names_every_choice_and_the_one_we_would_take() -> None:
    output = run("--items", "100e6", "--dim", "64")
    assert "100,000,000 items of 64 dimensions" in output
    assert all(name in output for name in ("exact", "ivf-sq8", "ivf-pq", "hnsw", "extrapolated"))
    assert "we would take ivf-pq" in output
    assert "measured up to 10,000,000 items" in output


def test_json_holds_the_same() -> None:
    document = json.loads(run("--items", "50_000", "--json"))
    assert (document["items"], document["dim"], document["recommended"]) == (50_000, 64, "exact")
    assert [choice["name"] for choice in document["choices"]] == ["exact", "ivf-sq8", "ivf-pq", "hnsw"]
    assert document["choices"][0]["memory_bytes"] == 50_000 * 64 * (4 + 1)  # and in 7 bits


@pytest.mark.parametrize("items", ["many", "1.5", "0", "-3", "inf", "nan", "1e30"])
def test_a_size_that_cannot_be_is_refused(items: str) -> None:
    with pytest.raises(AisleError, match="E035"):
        run("--items", items)


def test_a_width_that_cannot_be_is_refused() -> None:
    with pytest.raises(AisleError, match="E035"):
        run("--items", "10", "--dim", "0")
