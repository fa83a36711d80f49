"""Archives for TorchServe: what is in one, what the handler answers and refuses, without starting TorchServe."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aisle.bundle.agreement import disagreements
from aisle.bundle.bundle import Bundle
from aisle.bundle.manifest import Versions
from aisle.bundle.question import Answer, Item, Question, RawEvent
from aisle.environment.described import Environment
from aisle.environment.facts import environment
from aisle.errors import AisleError
from aisle.export import torchserve_handler as handler
from aisle.export.torchserve import export_torchserve
from benchmarks.serve.made import Size, make_bundle

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a SASRec with random weights: 300 items, 60 shoppers with 20 events each."""
    folder = tmp_path_factory.mktemp("made") / "bundle"
    make_bundle(Size(items=300, users=60, history=20, width=16), folder)
    return folder


@pytest.fixture(scope="module")
def served(bundle_folder: Path) -> Bundle:
    return Bundle.open(bundle_folder)


@pytest.fixture(scope="module")
def unpacked(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive as TorchServe unpacks it."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(export_torchserve(bundle_folder, tmp_path_factory.mktemp("store"), "shop")) as archive:
        archive.extractall(folder)
    return folder


class Context:
    """What TorchServe passes to a handler; keeps what the handler sets."""

    def __init__(self, model_dir: Path) -> None:
        self.system_properties = {"model_dir": str(model_dir)}
        self.status: dict[int, int] = {}
        self.types: dict[int, str] = {}

    def set_response_status(self, code: int, phrase: str, place: int) -> None:
        self.status[place] = code

    def set_response_content_type(self, place: int, value: str) -> None:
        self.types[place] = value


Ask = Callable[..., tuple[list[Any], Context]]


@pytest.fixture
def ask(unpacked: Path) -> Ask:
    """Hand a batch of bodies to the handler; gives the documents and what it set."""

    def send(*bodies: Any) -> tuple[list[Any], Context]:
        context = Context(unpacked)
        told = handler.handle([{"body": body} for body in bodies], context)
        assert told is not None
        return [json.loads(text) for text in told], context

    return send


def answer_of(document: dict[str, Any]) -> Answer:
    return Answer(tuple(Item(**item) for item in document["items"]), document["known"])


def test_an_archive_says_of_itself_what_the_archiver_says(bundle_folder: Path, tmp_path: Path) -> None:
    packaging = pytest.importorskip("model_archiver.model_packaging", reason="SKIPPED: torch-model-archiver is not installed")
    config = pytest.importorskip("model_archiver.model_archiver_config")
    (tmp_path / "theirs").mkdir()
    asked = config.ModelArchiverConfig(
        model_name="shop", handler=handler.__file__, version="1.0", export_path=str(tmp_path / "theirs"), runtime="python"
    )
    packaging.package_model(asked, packaging.ModelExportUtils.generate_manifest_json(asked))
    texts = {}
    for name, archive in (
        ("theirs", tmp_path / "theirs" / "shop.mar"),
        ("ours", export_torchserve(bundle_folder, tmp_path, "shop")),
    ):
        with zipfile.ZipFile(archive) as file:
            texts[name] = json.loads(file.read("MAR-INF/MANIFEST.json"))
    theirs_created, ours_created = texts["theirs"].pop("createdOn"), texts["ours"].pop("createdOn")
    assert texts["ours"] == texts["theirs"]
    assert len(ours_created) == len(theirs_created)


def test_the_same_bundle_gives_the_same_bytes_and_nothing_to_unpickle(bundle_folder: Path, tmp_path: Path) -> None:
    one, other = (export_torchserve(bundle_folder, tmp_path / name, "shop") for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()
    assert [path.name for path in one.parent.iterdir()] == ["shop.mar"]
    with zipfile.ZipFile(one) as archive:
        names = archive.namelist()
    assert {Path(name).suffix for name in names} <= {".json", ".py", ".npy", ".onnx", ".safetensors", ".sha256"}
    assert {name.split("/")[0] for name in names} == {"MAR-INF", "torchserve_handler.py", "bundle"}


def test_an_altered_bundle_becomes_no_archive(bundle_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bundle_folder, copy)
    with (copy / "model" / "items.npy").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")
    with pytest.raises(AisleError, match=r"items\.npy") as refused:
        export_torchserve(copy, tmp_path / "store", "shop")
    assert refused.value.code == "E006"
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("name", ["", "a b", "../shop", "-shop", "Käse"])
def test_a_name_that_torchserve_refuses_is_refused_here(bundle_folder: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(AisleError) as refused:
        export_torchserve(bundle_folder, tmp_path, name)
    assert refused.value.code == "E092"


def test_the_torch_model_answers_as_the_bundle_does(ask: Ask, served: Bundle) -> None:
    users = [f"u{number:07}" for number in range(60)] + ["nobody"]
    documents, context = ask(*({"user_id": user} for user in users))
    expected = served.recommend([Question(user_id=user) for user in users])
    wrong = [disagreements(one, answer_of(told), TOLERANCE).words for one, told in zip(expected, documents, strict=True)]
    assert not any(wrong)
    assert [told["known"] for told in documents] == [True] * 60 + [False]
    assert {told["bundle"] for told in documents} == {served.id}
    assert set(context.types.values()) == {"application/json"}
    assert not context.status
    reasons = [[(item["reason"], item["because_item_id"]) for item in told["items"]] for told in documents]
    assert reasons == [[(item.reason, item.because_item_id) for item in one.items] for one in expected]


def test_a_history_sent_along_is_the_whole_history(ask: Ask, served: Bundle) -> None:
    items = ["i0000007", "i0000100", "i0000007", "i0000042"]
    documents, _ = ask(
        {"user_id": "u0000001", "history": [{"item_id": item} for item in items], "k": 7},
        {"history": [{"item_id": item, "event": "cart", "timestamp": 1e9 + place} for place, item in enumerate(items)], "k": 7},
        {"history": []},
    )
    events = tuple(RawEvent(item, "view", place) for place, item in enumerate(items))
    expected = served.recommend([Question(events=events, whole=True, k=7)])[0]
    assert not disagreements(expected, answer_of(documents[0]), TOLERANCE).words
    assert [item["item_id"] for item in documents[1]["items"]] == [item["item_id"] for item in documents[0]["items"]]
    assert documents[2]["known"] is False


def test_filters_and_rules_hold(ask: Ask, served: Bundle) -> None:
    code = served.catalogue.category
    price = served.catalogue.price
    assert code is not None
    assert price is not None
    few = ["i0000001", "i0000002", "i0000003"]
    documents, _ = ask(
        {"user_id": "u0000001", "candidates": few},
        {"user_id": "u0000001", "categories": ["category-02"]},
        {"user_id": "u0000001", "max_price": 20.0},
    )
    assert {item["item_id"] for item in documents[0]["items"]} <= set(few)
    places = [served.items.encode([item["item_id"] for item in told["items"]]) for told in documents]
    assert {code.names[int(one)] for one in code.code[places[1]]} == {"category-02"}
    assert price[places[2]].max() <= 20


def test_one_bad_request_is_refused_and_the_others_are_answered(ask: Ask) -> None:
    documents, context = ask(
        {"user_id": "u0000001"},
        {"k": 0},
        {"user_id": "u0000001", "surprise": 1},
        bytearray(b"{no json"),
        {"user_id": "u0000001", "candidates": ["nothing that is sold"]},
        [],
        {"user_id": "u0000002"},
        bytearray(b'{"user_id": "u0000002"}'),
    )
    assert context.status == dict.fromkeys(range(1, 6), 400)
    assert [told["error"]["code"] for told in documents[1:6]] == ["E091", "E091", "E091", "E038", "E091"]
    assert all(len(told["items"]) == 10 for told in (documents[0], *documents[6:]))
    assert documents[6] == documents[7]


def test_loading_the_model_answers_nothing(unpacked: Path) -> None:
    assert handler.handle(None, Context(unpacked)) is None


def here(**changes: Any) -> Environment:
    return replace(Environment.of(environment(), "here"), **changes)


def made_with(served: Bundle) -> Versions:
    return served.manifest.versions


def test_a_worker_like_the_one_that_exported_is_accepted(served: Bundle) -> None:
    handler.check_versions(made_with(served), here(), "0.12.0")


@pytest.mark.parametrize(
    ("changes", "torchserve", "named"),
    [
        ({"torch": "2.3.1"}, "0.12.0", r"torch 2\.3\.1"),
        ({"torch": None}, "0.12.0", "torch"),
        ({"python": "3.8.10"}, "0.12.0", r"Python 3\.8\.10"),
        ({"packages": {"aisle": "0.0.9", "onnxruntime": "1.22.0"}}, "0.12.0", r"aisle 0\.0\.9"),
        ({}, "0.11.1", r"TorchServe 0\.11\.1"),
    ],
    ids=["torch", "no-torch", "python", "aisle", "torchserve"],
)
def test_a_worker_that_does_not_fit_is_refused_by_name(
    served: Bundle, changes: dict[str, Any], torchserve: str, named: str
) -> None:
    with pytest.raises(AisleError, match=named) as refused:
        handler.check_versions(made_with(served), here(**changes), torchserve)
    assert refused.value.code == "E090"


def test_a_damaged_archive_is_refused_when_the_worker_starts(
    unpacked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(unpacked, tmp_path / "model")
    (tmp_path / "model" / "bundle" / "model" / "weights.safetensors").unlink()
    with pytest.raises(AisleError):
        handler.handle(None, SimpleNamespace(system_properties={"model_dir": str(tmp_path / "model")}))
    assert "aisle refuses this archive" in capsys.readouterr().err
