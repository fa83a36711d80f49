"""`aisle verify`: 0 for a bundle that is whole, fits and answers as at export; 11 and the reason for every other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from aisle.bundle.bundle import Bundle
from aisle.bundle.golden import read_golden, write_golden
from aisle.bundle.manifest import About, parse_manifest, write_manifest
from aisle.bundle.question import Item, Question, RawEvent
from aisle.bundle.signature import make_key
from aisle.cli.main import main
from aisle.dataset.reader import Dataset
from aisle.environment.facts import environment
from aisle.experiment.recipe import load_recipe
from aisle.experiment.run import train_run
from aisle.export.bundle import ExportConfig, export_run

Verify = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def signed(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A signed bundle of item-kNN and the key that signed it."""
    place = tmp_path_factory.mktemp("verify")
    public = make_key(place / "key")
    run = train_run(dataset, load_recipe("item-knn", ["evaluate.resamples=50", "baselines=[]"]), place / "run")
    export_run(run, place / "bundle", ExportConfig(private_key=place / "key", golden=24))
    return place / "bundle", public


@pytest.fixture
def bundle(signed: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy to change."""
    shutil.copytree(signed[0], tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def verify(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verify:
    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["aisle", "verify", *map(str, words)])
        capsys.readouterr()
        status = main()
        return status, *capsys.readouterr()

    return run


def reseal(bundle: Path, **changed: object) -> None:
    """Seal a bundle again whose files or facts were changed: what is wrong with it is then not its hashes."""
    manifest = parse_manifest((bundle / "manifest.json").read_bytes(), bundle)
    about = manifest.model_dump(exclude={"files", "format_version"})
    about["versions"] |= changed
    write_manifest(bundle, About.model_validate(about))


def env_file(folder: Path, **changed: Any) -> Path:
    file = folder / "ENV.json"
    file.write_text(json.dumps({**environment(), **changed}))
    return file


def test_a_good_bundle_is_said_to_be_good_and_what_was_checked(signed: tuple[Path, Path], verify: Verify) -> None:
    status, out, err = verify(signed[0], "--public-key", signed[1])
    assert (status, err) == (0, "")
    for words in ("as in the manifest", "signed by key.pub", "this machine, to serve", "24 of 24 golden requests as at export"):
        assert words in out
    assert out.count("24 of 24") == 2, "served, and eager since torch is here"


def test_the_document_says_the_same(signed: tuple[Path, Path], verify: Verify) -> None:
    status, out, _ = verify(signed[0], "--json")
    told = json.loads(out)
    assert (status, told["good"], told["refusals"]) == (0, True, [])
    assert [way["way"] for way in told["golden"]] == ["served", "eager"]
    assert told["golden"][0]["asked"] == 24
    assert {finding["code"] for finding in told["environment"]["findings"]} >= {"D101", "D103", "D110"}


def test_an_altered_file_is_refused_by_name(bundle: Path, verify: Verify) -> None:
    (bundle / "golden.json").write_bytes((bundle / "golden.json").read_bytes() + b" ")
    status, out, err = verify(bundle, "--json")
    assert status == 11
    assert json.loads(out)["error"]["code"] == "E007"
    assert "golden.json" in err


def test_the_key_may_come_from_the_environment_and_an_unsigned_bundle_is_then_refused(
    signed: tuple[Path, Path], bundle: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AISLE_PUBLIC_KEY", str(signed[1]))
    assert verify(signed[0])[0] == 0
    reseal(bundle)
    status, _, err = verify(bundle)
    assert (status, "E010" in err) == (11, True)


def test_another_answer_than_at_export_is_refused(bundle: Path, verify: Verify) -> None:
    golden = read_golden(bundle / "golden.json")
    first = golden[0].answer
    wrong = replace(first, items=(Item("another item", 9.0, 1), *first.items[1:]))
    write_golden(bundle / "golden.json", [replace(golden[0], answer=wrong), *golden[1:]])
    reseal(bundle)
    status, out, err = verify(bundle, "--json")
    told = json.loads(out)
    assert (status, told["good"]) == (11, False)
    assert told["golden"][0]["wrong"][0].startswith("golden request 0")
    assert "1 of 24 golden requests are answered differently" in err
    assert "E017" in err


H100 = {"name": "H100", "driver_version": "580.95.05", "compute_cap": "9.0"}
BUILD = {"version": "2.13.0+cu130", "cuda": "13.0", "cudnn": "9.20.0.48", "package": "2.13.0"}


def packages(**changed: str | None) -> dict[str, object]:
    known = environment()["packages"]
    assert isinstance(known, dict)
    return {**known, "torch": "2.13.0", **changed}


MISFITS: dict[str, tuple[dict[str, Any], Sequence[str]]] = {
    "torch": ({"torch_build": {**BUILD, "version": "2.4.1+cu121", "cuda": "12.1"}}, ["torch 2.4.1+cu121", "D111"]),
    "CUDA": ({"torch_build": {**BUILD, "version": "2.13.0+cu124", "cuda": "12.4"}}, ["CUDA of torch 12.4", "D115"]),
    "cuDNN": ({"torch_build": {**BUILD, "cudnn": "8.9.7"}}, ["cuDNN 8.9.7", "D116"]),
    "driver": ({"gpus": [{**H100, "driver_version": "525.60.13"}]}, ["driver 525.60.13", "D117"]),
    "GPU": ({"gpus": [{**H100, "name": "V100", "compute_cap": "7.0"}]}, ["V100 (7.0)", "D118"]),
    "Python": ({"python": "3.10.1"}, ["Python 3.10.1", "D101"]),
    "NumPy": ({"packages": packages(numpy="1.24.0")}, ["NumPy 1.24.0", "D103"]),
}


@pytest.mark.parametrize("name", MISFITS)
def test_an_environment_that_does_not_fit_is_refused_by_name(
    name: str, signed: tuple[Path, Path], tmp_path: Path, verify: Verify
) -> None:
    changed, said = MISFITS[name]
    fitting = {"gpus": [H100], "torch_build": BUILD, "packages": packages()}
    assert verify(signed[0], "--against", env_file(tmp_path, **fitting))[0] == 0
    status, out, err = verify(signed[0], "--against", env_file(tmp_path, **{**fitting, **changed}))
    assert status == 11
    for words in said:
        assert words in err
    assert f"error [{said[1]}]" in out, "with what to do"


def test_versions_changed_in_the_manifest_are_refused_by_the_judge(bundle: Path, tmp_path: Path, verify: Verify) -> None:
    reseal(bundle, onnx_opset=25, onnxruntime="1.24.1")
    old = env_file(tmp_path, packages=packages(onnxruntime="1.20.1"))
    status, _, err = verify(bundle, "--against", old)
    assert status == 11
    assert "ONNX Runtime 1.20.1" in err
    assert ">= 1.24, reads opset 25" in err


@pytest.mark.parametrize(("content", "code"), [("", "E018"), ("[]", "E018"), ('{"python": "3.12"}', "E018")])
def test_a_file_that_is_no_environment_is_refused(
    content: str, code: str, signed: tuple[Path, Path], tmp_path: Path, verify: Verify
) -> None:
    (tmp_path / "ENV.json").write_text(content)
    for file in ("ENV.json", "missing.json"):
        status, _, err = verify(signed[0], "--against", tmp_path / file)
        assert (status, code in err) == (11, True)


def test_two_environments_at_once_make_no_question(signed: tuple[Path, Path], tmp_path: Path, verify: Verify) -> None:
    status, _, err = verify(signed[0], "--against", tmp_path / "ENV.json", "--image", "shop:1")
    assert (status, "give one" in err) == (2, True)


def test_an_image_is_judged_like_an_environment(
    signed: tuple[Path, Path], tmp_path: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = env_file(tmp_path, python="3.9.2")
    (tmp_path / "docker").write_text(f"#!/bin/sh\ncat {document}\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    status, _, err = verify(signed[0], "--image", "shop:1")
    assert (status, "Python 3.9.2 of image shop:1 does not fit" in err) == (11, True)


def test_with_torch_blocked_everything_else_is_still_verified(signed: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise ImportError('torch is blocked')")
    command = [sys.executable, "-m", "aisle.cli.main", "verify", str(signed[0]), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    served, eager = json.loads(done.stdout)["golden"]
    assert (served["agrees"], served["asked"]) == (True, 24)
    assert eager == {"way": "eager", "agrees": None, "not_tried": "torch cannot be imported here: torch is blocked"}


@contextmanager
def service(
    bundle: Bundle, /, *, key: str | None = None, less: float = 0.0, of_shoppers: bool = False, **loaded: Any
) -> Iterator[str]:
    """Answer POST /v1/recommend and GET /v1/bundle as the service does.

    Args:
        bundle: second of the two that are loaded.
        key: that is asked for.
        less: taken from every score, or only from those of lists for shoppers by id.
        of_shoppers: that.
        loaded: other words of what GET /v1/bundle says of it.
    """
    models = [{"variant": "main", "bundle": "0" * 12, "changed_items": 0}]
    models.append({"variant": "other", "bundle": bundle.id, "changed_items": 0, **loaded})

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            allowed = self.path == "/v1/recommend" and self.headers.get("x-api-key") == key
            self.send_response(200 if allowed else 401)
            self.end_headers()
            self.wfile.write(json.dumps(answer(asked) if allowed else {"title": "no key"}).encode())
            request_ids.append(self.headers["x-request-id"])

        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/v1/bundle" else 404)
            self.end_headers()
            self.wfile.write(json.dumps({"models": models}).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        assert asked.pop("model") == ("other" if models[1]["bundle"] == bundle.id else "main")
        history = asked.pop("history", None)
        taken = less if not of_shoppers or (history is None and asked.get("user_id") is not None) else 0
        events = tuple(RawEvent(one["item_id"], one["event"], round(one["timestamp"] * 1e6)) for one in history or ())
        candidates = tuple(asked.pop("candidates")) if "candidates" in asked else None
        question = Question(**asked, events=events, whole=history is not None, candidates=candidates)
        found = bundle.recommend([question])[0]
        items = [{"item_id": i.item_id, "score": i.score - taken, "rank": i.rank, "source": i.source} for i in found.items]
        return {"known": found.known, "items": items}

    request_ids: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert all(name.startswith("aisle-verify-") for name in request_ids), "so that its log tells them from shoppers' requests"


def test_a_service_is_held_to_the_golden_requests_that_it_has_words_for(signed: tuple[Path, Path], verify: Verify) -> None:
    with service(Bundle.open(signed[0]), key="k1") as url:
        status, out, err = verify(signed[0], "--url", url, "--api-key", "k1", "--json")
        assert status == 0, err
        over_http = json.loads(out)["golden"][2]
        assert (over_http["agrees"], over_http["asked"] + over_http["skipped"]) == (True, 24)
        assert over_http["skipped"] == 2, "news of a known shopper: 2 of 24"
        status, _, err = verify(signed[0], "--url", url)
        assert (status, "E019" in err, "401" in err) == (11, True, True)
    with service(Bundle.open(signed[0]), less=0.01) as url:
        status, _, err = verify(signed[0], "--url", url)
        assert (status, "E017" in err) == (11, True)


@pytest.mark.parametrize(
    ("loaded", "of_shoppers", "cause"),
    [
        ({"bundle": "f" * 12}, False, "it answers from bundle 000000000000"),
        ({"changed_items": 7}, False, "7 items of its catalogue were changed"),
        ({}, True, "what those shoppers did since the export"),
        ({}, False, ""),
    ],
)
def test_why_a_service_answers_differently_is_named_where_it_tells(
    loaded: dict[str, Any], of_shoppers: bool, cause: str, signed: tuple[Path, Path], verify: Verify
) -> None:
    with service(Bundle.open(signed[0]), less=0.01, of_shoppers=of_shoppers, **loaded) as url:
        status, out, err = verify(signed[0], "--url", url, "--json")
    told = json.loads(out)["golden"][2]
    assert (status, told["agrees"], "E017" in err) == (11, False, True)
    assert (cause in told["cause"], cause in err) == (True, True)
    assert bool(told["cause"]) == bool(cause)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "file:///etc/passwd", "ftp://x"])
def test_no_service_there_is_said(url: str, signed: tuple[Path, Path], verify: Verify) -> None:
    status, _, err = verify(signed[0], "--url", url)
    assert (status, "E019" in err) == (11, True)
