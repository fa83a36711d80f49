"""The circle closes: events -> log -> `aisle prepare`, with the same counts. All shoppers here are simulated."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard
from click.testing import CliRunner, Result

from aisle.cli.main import aisle
from aisle.dataset.reader import Dataset
from aisle.errors import AisleError
from aisle.schema.events import Event
from aisle.serve.events.config import DAY_US, KINDS
from aisle.serve.events.protocol import EventStore, Served, StoredEvent
from tests.serve.events.conftest import Address
from tests.serve.events.test_contract import NOW_US, view


def call(*words: object) -> Result:
    return CliRunner().invoke(aisle, [str(word) for word in words])


def said(*words: object) -> dict[str, object]:
    result = call(*words, "--json")
    assert result.exit_code == 0, result.output + repr(result.exception)
    document: dict[str, object] = json.loads(result.stdout)
    return document


def fill(address: Address) -> None:
    """2,100 events of 50 users and one visitor, a purchase with everything at the end, and one who is erased."""
    kinds = [kind for kind in KINDS if kind is not Event.purchase]

    async def body(store: EventStore) -> None:
        for number in range(0, 2_000, 50):
            events = [
                StoredEvent(f"{(number + user) % 40}", kinds[(number + user) % 6], NOW_US + number, f"u{user}")
                for user in range(50)
            ]
            await store.append(events)
        await store.append([view(f"{number}", None, "visit", at_s=number) for number in range(7)])
        await store.append([view("3", "gone") for _ in range(90)])
        await store.append([StoredEvent("39", Event.purchase, NOW_US + 5, "u1", "s", "id", "r1", 3, 2.0, 9.95, "B")] * 1)
        await store.append([view("1", None, "s")])
        store.log_impressions(
            [Served("r1", ("4", "5", "39"), NOW_US, "bundle", "B", "u1"), Served("r2", ("4",), NOW_US, "bundle")]
        )
        await store.erase("gone")

    address.run(body)


# 40 rounds of 50 users, 7 of the visitor, a purchase, and a view in the purchase's session.
ROWS = 2_000 + 7 + 1 + 1


# Which store and which format are apart from each other: each of both is tried once.
@pytest.mark.parametrize(
    ("address", "suffix"), [("redis", ".jsonl"), ("sqlite", ".jsonl.zst"), ("sqlite", ".csv.gz")], indirect=["address"]
)
def test_prepare_takes_the_exported_log_as_it_is(address: Address, tmp_path: Path, suffix: str) -> None:
    fill(address)
    out = tmp_path / "logs" / f"events{suffix}"
    exported = said("events", "export", address.name, "--out", out)
    assert (exported["events"], exported["shown"]) == (ROWS, 0)
    manifest = said("prepare", out, "--out", tmp_path / "dataset")
    assert manifest["rows"] == {"read": ROWS, "kept": ROWS, "rejected": 0, "filtered": 0}
    # 50 users and the visitor; whom nobody can name any more is not among them.
    assert (manifest["users"], manifest["items"]) == (51, 40)
    assert manifest["unused_columns"] == []
    dataset = Dataset(tmp_path / "dataset")
    assert dataset.users.encode(["session:visit", "gone"]).tolist()[1] == -1
    assert dataset.users.encode(["session:visit"]).tolist() != [-1]
    assert dataset.items.kind == ("int" if ".csv" in suffix else "string")


def test_columns_that_first_appear_late_in_the_log_are_kept(tmp_path: Path) -> None:
    address = Address(str(tmp_path / "events.db"))
    fill(address)
    said("events", "export", address.name, "--out", tmp_path / "events.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    bought = {"session_id": "s", "request_id": "r1", "position": 3, "quantity": 2.0, "price": 9.95, "variant": "B"}
    assert lines[-2] == {"user_id": "u1", "item_id": "39", "event": "purchase", "timestamp": NOW_US + 5, **bought}
    manifest = said("prepare", tmp_path / "events.jsonl", "--out", tmp_path / "dataset")
    mapping = manifest["mapping"]
    assert isinstance(mapping, dict)
    assert set(bought) <= set(mapping)
    assert manifest["events_by_kind"]["purchase"] == 1  # type: ignore[index]


def test_what_was_served_is_added_as_impressions_when_asked_for(address: Address, tmp_path: Path) -> None:
    fill(address)
    out = tmp_path / "events.jsonl"
    exported = said("events", "export", address.name, "--out", out, "--served")
    assert (exported["shown"], exported["nobody"]) == (3, 1)
    shown = [json.loads(line) for line in out.read_text().splitlines()][-3:]
    assert [(row["item_id"], row["position"]) for row in shown] == [("4", 1), ("5", 2), ("39", 3)]
    assert {(row["user_id"], row["event"], row["request_id"], row["variant"]) for row in shown} == {
        ("u1", "impression", "r1", "B")
    }
    manifest = said("prepare", out, "--out", tmp_path / "dataset")
    assert manifest["rows"]["kept"] == ROWS + 3  # type: ignore[index]


def test_what_a_visitor_was_shown_becomes_the_users(address: Address, tmp_path: Path) -> None:
    async def body(store: EventStore) -> None:
        store.log_impressions([Served("r", ("a",), NOW_US, "bundle", None, None, "s")])
        await store.append([view("a", "u1", "s")])

    address.run(body)
    said("events", "export", address.name, "--out", tmp_path / "log.jsonl", "--served")
    assert {json.loads(line)["user_id"] for line in (tmp_path / "log.jsonl").read_text().splitlines()} == {"u1"}


def test_a_later_export_goes_on_where_the_first_ended(address: Address, tmp_path: Path) -> None:
    address.run(lambda store: _append(store, [view("a"), view("b")]))
    first = said("events", "export", address.name, "--out", tmp_path / "1.jsonl")
    address.run(lambda store: _append(store, [view("c")]))
    second = said("events", "export", address.name, "--out", tmp_path / "2.jsonl", "--since-row", first["last_row"])
    assert (first["events"], second["events"]) == (2, 1)
    assert json.loads((tmp_path / "2.jsonl").read_text())["item_id"] == "c"
    third = said("events", "export", address.name, "--out", tmp_path / "3.jsonl", "--since-row", second["last_row"])
    assert (third["events"], third["last_row"]) == (0, second["last_row"])


def test_a_compressed_log_is_the_same_log(tmp_path: Path) -> None:
    address = Address(str(tmp_path / "events.db"))
    fill(address)
    for suffix in ("", ".zst", ".gz"):
        said("events", "export", address.name, "--out", tmp_path / f"log.jsonl{suffix}")
    plain = (tmp_path / "log.jsonl").read_bytes()
    assert zstandard.ZstdDecompressor().decompressobj().decompress((tmp_path / "log.jsonl.zst").read_bytes()) == plain
    assert gzip.decompress((tmp_path / "log.jsonl.gz").read_bytes()) == plain


def test_a_log_is_whole_or_not_there(tmp_path: Path) -> None:
    address = Address(str(tmp_path / "events.db"))
    fill(address)
    out = tmp_path / "logs" / "log.jsonl"
    said("events", "export", address.name, "--out", out)
    result = call("events", "export", address.name, "--out", out)
    assert isinstance(result.exception, AisleError)
    assert result.exception.code == "E602"
    said("events", "export", address.name, "--out", out, "--overwrite")
    assert [file.name for file in out.parent.iterdir()] == ["log.jsonl"]
    # A store that breaks while it is read leaves no log.
    Path(address.name).write_bytes(Path(address.name).read_bytes()[:20_480])
    out.unlink()
    assert call("events", "export", address.name, "--out", out).exception is not None
    assert list(out.parent.iterdir()) == []


def test_a_name_of_another_kind_is_refused(tmp_path: Path) -> None:
    address = Address(str(tmp_path / "events.db"))
    fill(address)
    for name in ("log.parquet", "log", "log.zst", "log.jsonl.xz"):
        result = call("events", "export", address.name, "--out", tmp_path / name)
        assert isinstance(result.exception, AisleError)
        assert result.exception.code == "E059"


def test_the_command_erases_and_expires(address: Address) -> None:
    old = replace(view("a", "u2"), time_us=NOW_US - 40 * DAY_US)
    address.run(lambda store: _append(store, [view("a"), view("b"), old]))
    receipt = said("events", "erase", address.name, "--user", "u1")
    assert (receipt["events"], str(receipt["receipt_id"]).startswith("erasure-")) == (2, True)
    assert said("events", "expire", address.name, "--days", 30)["view"] == 1
    assert said("events", "lift", address.name, "--before", "2020-01-01") == {"lifted": 0}
    assert said("events", "lift", address.name, "--before", "2100-01-01") == {"lifted": 1}
    for words in (("erase", address.name, "--user", "u1"), ("expire", address.name, "--days", 1), ("--help",)):
        assert call("events", *words).exit_code == 0


async def _append(store: EventStore, events: list[StoredEvent]) -> None:
    await store.append(events)
