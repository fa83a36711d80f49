"""Inference in a process of its own: the same answers and changes, nothing kept too long, and neither survives the other."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from aisle.bundle.bundle import Bundle
from aisle.bundle.live_catalogue import ItemChange
from aisle.bundle.question import Question, RawEvent
from aisle.errors import AisleError
from aisle.recommend.rules import Rules
from aisle.serve.answering import Asked, Given, SimilarWanted, Wanted, answer_all
from aisle.serve.inference_child import Child
from aisle.serve.inference_process import InferenceProcess
from aisle.serve.wire import RemoteError, asked_as_json, asked_from_json, error_as_json, error_from_json
from tests.serve.process import serving, until

BundleOf = Callable[[str], Path]
QUESTION = {"user_id": "u0000017", "k": 3}


@pytest.fixture(scope="module")
def process() -> Iterator[InferenceProcess]:
    """One that is started."""
    process = InferenceProcess()
    process.start()
    with closing(process):
        yield process


def batch(bundle: Bundle) -> list[Asked]:
    """Questions of every kind, good and bad."""
    items = bundle.items.decode(range(8))
    events = tuple(RawEvent(item, "purchase", 1_790_000_000_000_000 + place) for place, item in enumerate(items))
    questions = [
        Question("u0000017"),
        Question("u0000017", events[:3], k=500, filter_seen=False),
        Question(None, events, whole=True, k=5),
        Question("nobody", candidates=tuple(items), rules=Rules(min_price=1.0, max_per_category=2)),
        Question(3, categories=("no such category",)),
        Question("u0000003", candidates=("nowhere",)),
        Question("u0000003", rules=Rules(exclude_events=("dislike",))),
        Question("u0000003", context=(("no such column", "word"),)),
    ]
    return [
        *(Wanted("main", bundle, one) for one in questions),
        *(SimilarWanted(bundle, str(one), 7) for one in (items[0], "nobody")),
    ]


def same(one: Given | Exception, other: Given | Exception) -> bool:
    if isinstance(one, AisleError) and isinstance(other, AisleError):
        return (one.code, one.message, one.hint) == (other.code, other.message, other.hint)
    assert isinstance(one, Given)
    assert isinstance(other, Given)
    return one.bundle is other.bundle and (one.known, one.items) == (other.known, other.items)


@pytest.mark.parametrize("name", ["popularity", "item-knn", "sasrec", "two-stage"])
def test_every_reply_is_the_one_that_is_given_here(name: str, bundle_of: BundleOf, process: InferenceProcess) -> None:
    bundle = Bundle.open(bundle_of(name))
    live = process.live(bundle)
    asked = batch(bundle)
    wanted = answer_all(asked)
    assert {type(one) for one in wanted} == {Given, AisleError}
    assert all(same(one, other) for one, other in zip(process.begin(asked)(), wanted, strict=True))
    changed = live.change([ItemChange(bundle.items[3], price=1e9), ItemChange("brand-new", title="new")])
    asked = [Wanted("main", changed, Question(k=500, rules=Rules(min_price=1e8))), SimilarWanted(changed, "brand-new", 3)]
    assert all(same(one, other) for one, other in zip(process.begin(asked)(), answer_all(asked), strict=True))
    live.go_back(bundle)
    again = live.change([ItemChange(bundle.items[4], price=1e9)])
    asked = [Wanted("main", again, Question(k=500, rules=Rules(min_price=1e8)))]
    (given,) = process.begin(asked)()
    assert isinstance(given, Given)
    assert given.item_ids == (str(bundle.items[4]),)


def test_batches_are_answered_in_their_order_however_large_they_are(bundle_of: BundleOf, process: InferenceProcess) -> None:
    """1.5 MB a batch each way: neither side may wait for the other to read while the other waits to be read."""
    bundle = Bundle.open(bundle_of("popularity"))
    process.live(bundle)
    events = [RawEvent(f"{'x' * 200}{place}", "view", place) for place in range(100)]
    asked: list[list[Asked]] = [[Wanted("main", bundle, Question(None, events, k=k))] * 64 for k in (500, 499, 498)]
    finishing = [process.begin(one) for one in asked]
    for one, finish in zip(asked, finishing, strict=True):
        assert all(same(given, wanted) for given, wanted in zip(finish(), answer_all(one[:1]) * 64, strict=True))


def test_what_is_refused_over_there_is_told_here(
    bundle_of: BundleOf, process: InferenceProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle.open(bundle_of("popularity"))
    with pytest.raises(AisleError) as refused:
        process.live(replace(bundle, folder=bundle.folder / "nothing"))
    assert refused.value.code == "E001"
    with pytest.raises(AisleError, match="a moment later") as replaced:
        process.live(replace(bundle, id="another"))
    assert replaced.value.code == "E005"
    with pytest.raises(AisleError) as unfit:
        process.live(bundle).change([ItemChange("x", price=-1.0)])
    assert unfit.value.code == "E037"


def test_a_bug_over_there_comes_with_its_traceback() -> None:
    try:
        raise RuntimeError("a bug")
    except RuntimeError as error:
        told = error_from_json(error_as_json(error))
    assert isinstance(told, RemoteError)
    assert "Traceback" in str(told)
    assert "RuntimeError: a bug" in str(told)


def test_a_question_is_sent_as_it_is(bundle_of: BundleOf) -> None:
    bundle = Bundle.open(bundle_of("popularity"))
    asked = batch(bundle)
    assert asked_from_json(asked_as_json(asked, lambda _: 7), {7: bundle}) == asked


def test_what_is_no_longer_held_here_is_let_go_of_there(bundle_of: BundleOf) -> None:
    child, process, ends = Child(), InferenceProcess(), []
    for name in ("_batches", "_changes"):
        ours, theirs = (Connection(end.detach()) for end in socket.socketpair())
        setattr(process, name, ours)
        ends.append(threading.Thread(target=child.serve, args=(theirs,)))
        ends[-1].start()
    bundle = Bundle.open(bundle_of("popularity"))
    live = process.live(bundle)
    first = live.change([ItemChange(bundle.items[3], price=2.0)])
    latest = live.change([ItemChange(bundle.items[3], price=3.0)])
    assert (len(child.bundles), len(child.lives)) == (3, 1)
    del first
    process.begin([Wanted("main", latest, Question())])()
    assert (len(child.bundles), len(child.lives)) == (2, 1)
    other = Bundle.open(bundle_of("item-knn"))
    kept = process.live(other)
    del live, latest, bundle
    gc.collect()
    process.begin([Wanted("main", other, Question())])()
    assert (len(child.bundles), len(child.lives)) == (1, 1)
    del kept
    for pipe in (process._batches, process._changes):
        pipe.close()
    for end in ends:
        end.join(10)
        assert not end.is_alive()


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "State:\tZ" in status.read_text()


def test_a_service_ends_with_its_inference_process(bundle_of: BundleOf, tmp_path: Path) -> None:
    with serving(tmp_path, bundle_of("sasrec"), inference="process", drain_s=0) as served, served.client() as client:
        (child,) = children(served.process.pid)
        assert client.post("/v1/recommend", json=QUESTION).json()["known"]
        os.kill(child, signal.SIGKILL)
        assert served.process.wait(30) == 11
        log = served.log.read_text()
        assert "the inference process has ended with status -9" in log
        assert "[E088]" in log


def test_an_inference_process_ends_with_its_service(bundle_of: BundleOf, tmp_path: Path) -> None:
    with serving(tmp_path, bundle_of("popularity"), inference="process", drain_s=0) as served:
        (child,) = children(served.process.pid)
        served.process.kill()
        until(lambda: gone(child), "the inference process is still there")


def test_signals_to_all_of_the_group_end_a_service_as_one_to_it_alone(bundle_of: BundleOf, tmp_path: Path) -> None:
    """Ctrl-C in a terminal reaches both; only the service may take it as its end."""
    with serving(tmp_path, bundle_of("popularity"), inference="process", drain_s=0.3) as served, served.client() as client:
        (child,) = children(served.process.pid)
        for pid in (child, served.process.pid):
            os.kill(pid, signal.SIGINT)
        assert client.post("/v1/recommend", json=QUESTION).status_code == 200
        assert served.process.wait(30) == 0
        assert "inference-ended" not in served.log.read_text()
        assert gone(child)


def test_what_lies_in_the_folder_of_the_service_is_not_run(
    bundle_of: BundleOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "orjson.py").write_text("raise SystemExit('somebody else is run')")
    monkeypatch.chdir(tmp_path)
    with closing(InferenceProcess()) as process:
        process.start()
        process.live(Bundle.open(bundle_of("popularity")))


def test_what_is_asked_after_the_end_is_refused(bundle_of: BundleOf) -> None:
    process = InferenceProcess()
    process.start()
    bundle = Bundle.open(bundle_of("popularity"))
    process.live(bundle)
    process.close()
    for asked in (lambda: process.begin([Wanted("main", bundle, Question())]), lambda: process.live(bundle)):
        with pytest.raises(AisleError) as refused:
            asked()
        assert refused.value.code == "E088"


def test_neither_torch_nor_polars_is_imported_over_there() -> None:
    code = "import sys, aisle.serve.inference_child; print(*({'torch', 'polars'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_word_that_no_service_says_is_an_error_and_not_the_end() -> None:
    child: Any = Child()
    assert b"KeyError" in child._reply({"do": "change", "live": 1, "bundle": 2, "changes": [], "gone": []})
