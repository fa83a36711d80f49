"""`aisle doctor`, as a person and as a script call it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from aisle.cli import doctor as module
from aisle.cli.doctor import command
from aisle.cli.main import main
from aisle.environment.machine import Machine
from aisle.errors import AisleError
from tests.doctor.machines import CPU, GPU, but


def run(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result.output


def on(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "measure", lambda *, trial: machine)


def test_this_machine_is_examined_for_real() -> None:
    document = json.loads(CliRunner().invoke(command, ["--json", "--no-import"], catch_exceptions=False).stdout)
    codes = [finding["code"] for finding in document["findings"]]
    assert {"D101", "D130", "D140", "D144", "D149", "D156"} <= set(codes)
    assert document["machine"]["host"]["cores"] >= 1
    assert document["exit_status"] in (0, 11)


def test_a_machine_that_is_whole_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    on(GPU, monkeypatch)
    said = run()
    assert said.startswith("0 errors, 0 warnings, 0 notes, ")
    assert "ok       D130 GPUs: NVIDIA H100 80GB HBM3 (9.0), driver 580.95.05" in run("--all")


@pytest.mark.parametrize(
    ("machine", "plain", "strict"),
    [
        (but(CPU, "host", ports={8000: False}), 0, 0),
        (but(CPU, "host", shm=64 << 20), 0, 1),
        (but(CPU, "host", folder_writable=False), 11, 11),
    ],
    ids=["note", "warning", "error"],
)
def test_the_exit_status_is_by_severity(machine: Machine, plain: int, strict: int, monkeypatch: pytest.MonkeyPatch) -> None:
    on(machine, monkeypatch)
    run(status=plain)
    run("--strict", status=strict)
    document = json.loads(run("--json", "--strict", status=strict))
    assert document["exit_status"] == strict
    monkeypatch.setattr("sys.argv", ["aisle", "doctor", "--strict"])
    assert main() == strict


def test_a_plan_says_what_to_take_and_why() -> None:
    said = run("--plan", "--gpu", "H100", "--driver", "535")
    assert "take torch 2.7.1 for CUDA 11.8" in said
    assert "pytorch/pytorch:2.7.1-cuda11.8-cudnn9-runtime" in said
    document = json.loads(run("--plan", "--gpu", "V100", "--driver", "580.95.05", "--python", "3.12", "--json"))
    assert (document["best"]["torch"], document["best"]["cuda"], document["compute_capability"]) == ("2.11.0", "12.6", "7.0")
    assert document["refused"][0]["against"][0]["code"] == "D111"


def test_a_plan_that_nothing_fits_fails() -> None:
    assert "with driver 520.61.05 or later something does" in run("--plan", "--gpu", "H100", "--driver", "515", status=11)


def test_a_plan_for_a_machine_without_a_gpu_asks_which_one() -> None:
    with pytest.raises(AisleError, match="E907"):
        run("--plan", "--driver", "535")
    with pytest.raises(AisleError, match="no GPU 'Voodoo2' is known; known are"):
        run("--plan", "--gpu", "Voodoo2", "--driver", "535")


def test_a_dataset_is_audited(dataset_folder: Path) -> None:
    document = json.loads(run("--dataset", str(dataset_folder), "--json"))
    assert document["facts"]["events"] == 9_000
    assert document["findings"][0]["code"] == "D201"
    assert all("count" in finding and "share" in finding for finding in document["findings"])
    assert "users of the test have no event before it" in run("--dataset", str(dataset_folder))


def test_two_questions_at_once_are_refused(tmp_path: Path) -> None:
    assert "ask one" in run("--plan", "--dataset", str(tmp_path), status=2)
    assert "belong to --plan" in run("--gpu", "H100", status=2)


def test_no_dataset_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(AisleError, match="E200"):
        run("--dataset", str(tmp_path))
