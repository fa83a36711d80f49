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
from aisle.serve.inference_process import InferenceProcesses
from aisle.serve.wire import RemoteError, asked_as_json, asked_from_json, error_as_json, error_from_json
from tests.serve.process import serving, until

BundleOf = Callable[[str], Path]
QUESTION = {"user_id": "u0000017", "k": 3}


@pytest.fixture(scope="module")
def processes() -> Iterator[InferenceProcesses]:
    """Two that are started."""
    processes = InferenceProcesses(2)
    processes.start(print)
    with closing(processes):
        yield processes


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
def test_every_reply_is_the_one_that_is_given_here(name: str, bundle_of: BundleOf, processes: InferenceProcesses) -> None:
    bundle = Bundle.open(bundle_of(name))
    live = processes.live(bundle)
    asked = batch(bundle)
    wanted = answer_all(asked)
    assert {type(one) for one in wanted} == {Given, AisleError}
    changed = live.change([ItemChange(bundle.items[3], price=1e9), ItemChange("brand-new", title="new")])
    asked += [Wanted("main", changed, Question(k=500, rules=Rules(min_price=1e8))), SimilarWanted(changed, "brand-new", 3)]
    wanted += answer_all(asked[-2:])
    live.go_back(bundle)
    again = live.change([ItemChange(bundle.items[4], price=1e9)])
    asked.append(Wanted("main", again, Question(k=500, rules=Rules(min_price=1e8))))
    wanted += answer_all(asked[-1:])
    assert isinstance(wanted[-1], Given)
    assert wanted[-1].item_ids == (str(bundle.items[4]),)
    for work in processes.workers():
        assert all(same(one, other) for one, other in zip(work(asked), wanted, strict=True))


def test_what_is_refused_over_there_is_told_here(
    bundle_of: BundleOf, processes: InferenceProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle.open(bundle_of("popularity"))
    with pytest.raises(AisleError) as refused:
        processes.live(replace(bundle, folder=bundle.folder / "nothing"))
    assert refused.value.code == "E001"
    with pytest.raises(AisleError, match="a moment later") as replaced:
        processes.live(replace(bundle, id="another"))
    assert replaced.value.code == "E005"
    with pytest.raises(AisleError) as unfit:
        processes.live(bundle).change([ItemChange("x", price=-1.0)])
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
    child, processes = Child(), InferenceProcesses(1)
    processes.start(print)
    (process,) = processes.all
    ends = []
    for name in ("_batches", "_changes"):  # a child in this process, which can be looked into
        ours, theirs = (Connection(end.detach()) for end in socket.socketpair())
        getattr(process, name).close()
        setattr(process, name, ours)
        ends.append(threading.Thread(target=child.serve, args=(theirs,)))
        ends[-1].start()
    (work,) = processes.workers()
    bundle = Bundle.open(bundle_of("popularity"))
    live = processes.live(bundle)
    first = live.change([ItemChange(bundle.items[3], price=2.0)])
    latest = live.change([ItemChange(bundle.items[3], price=3.0)])
    assert (len(child.bundles), len(child.lives)) == (3, 1)
    del first
    work([Wanted("main", latest, Question())])
    assert (len(child.bundles), len(child.lives)) == (2, 1)
    other = Bundle.open(bundle_of("item-knn"))
    kept = processes.live(other)
    del live, latest, bundle
    gc.collect()
    work([Wanted("main", other, Question())])
    assert (len(child.bundles), len(child.lives)) == (1, 1)
    del kept
    process._changes.close()
    processes.close()
    for end in ends:
        end.join(10)
        assert not end.is_alive()


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "State:\tZ" in status.read_text()


def test_a_service_ends_with_its_inference_process(bundle_of: BundleOf, tmp_path: Path) -> None:
    with serving(tmp_path, bundle_of("sasrec"), inference_processes=2, drain_s=0) as served, served.client() as client:
        child, other = children(served.process.pid)
        assert client.post("/v1/recommend", json=QUESTION).json()["known"]
        os.kill(child, signal.SIGKILL)
        assert served.process.wait(30) == 11
        log = served.log.read_text()
        assert log.count("inference-ended") == 1
        assert "an inference process has ended with status -9" in log
        assert "[E088]" in log
        assert gone(other)


def test_an_inference_process_ends_with_its_service(bundle_of: BundleOf, tmp_path: Path) -> None:
    with serving(tmp_path, bundle_of("popularity"), inference_processes=2, drain_s=0) as served:
        both = children(served.process.pid)
        assert len(both) == 2
        served.process.kill()
        until(lambda: all(map(gone, both)), "an inference process is still there")


def test_signals_to_all_of_the_group_end_a_service_as_one_to_it_alone(bundle_of: BundleOf, tmp_path: Path) -> None:
    """Ctrl-C in a terminal reaches both; only the service may take it as its end."""
    with serving(tmp_path, bundle_of("popularity"), inference_processes=2, drain_s=0.3) as served, served.client() as client:
        both = children(served.process.pid)
        for pid in (*both, served.process.pid):
            os.kill(pid, signal.SIGINT)
        assert client.post("/v1/recommend", json=QUESTION).status_code == 200
        assert served.process.wait(30) == 0
        assert "inference-ended" not in served.log.read_text()
        assert all(map(gone, both))


def test_what_lies_in_the_folder_of_the_service_is_not_run(
    bundle_of: BundleOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "orjson.py").write_text("raise SystemExit('somebody else is run')")
    monkeypatch.chdir(tmp_path)
    with closing(InferenceProcesses(1)) as processes:
        processes.start(print)
        processes.live(Bundle.open(bundle_of("popularity")))


def test_what_is_asked_after_the_end_is_refused(bundle_of: BundleOf) -> None:
    processes = InferenceProcesses(1)
    processes.start(print)
    bundle = Bundle.open(bundle_of("popularity"))
    processes.live(bundle)
    processes.close()
    (work,) = processes.workers()
    for ask in (lambda: work([Wanted("main", bundle, Question())]), lambda: processes.live(bundle)):
        with pytest.raises(AisleError) as refused:
            ask()
        assert refused.value.code == "E088"


def test_neither_torch_nor_polars_is_imported_over_there() -> None:
    code = "import sys, aisle.serve.inference_child; print(*({'torch', 'polars'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_word_that_no_service_says_is_an_error_and_not_the_end() -> None:
    child: Any = Child()
    assert b"KeyError" in child._reply({"do": "change", "live": 1, "bundle": 2, "changes": [], "gone": []})
