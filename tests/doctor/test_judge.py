"""The judge, cell by cell: which environments fit, which do not, and what is said of them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from aisle.doctor.finding import Finding, errors
from aisle.doctor.judge import SERVING, TORCH, judge
from aisle.doctor.wanted import Wanted
from aisle.environment.compat import load_compat
from aisle.environment.described import Environment, Gpu

ROOT = Path(__file__).parent.parent.parent
COMPAT = load_compat()
PACKAGES = {"aisle": "0.4.0", "numpy": "2.2.0", "onnxruntime": "1.23.2", "onnxruntime-gpu": None, "faiss-cpu": "1.12.0"}
CPU = Environment("3.12.4", False, "x86_64", {**PACKAGES, "torch": "2.13.0"}, "2.13.0+cpu", None, None, None, ())
# torch 2.13 for CUDA 13.0 on an H100, with the driver that comes with CUDA 13.0 Update 2, and the cuDNN of the wheel.
GPU = replace(CPU, torch="2.13.0+cu130", cuda="13.0", cudnn="9.20.0.48", driver="580.95.05", gpus=(Gpu("H100", "9.0"),))
LIGHT = replace(CPU, torch=None, packages={**PACKAGES, "torch": None})
SERVE = Wanted(aisle="0.4.0", onnx_opset=20, onnx_ir_version=9, faiss="1.12.0", torch="2.13.0+cu130", cuda="13.0")
EAGER = replace(SERVE, purpose="torch")


def packages(**changed: str | None) -> dict[str, str | None]:
    return {**CPU.packages, **{name.replace("_", "-"): version for name, version in changed.items()}}


def said(wanted: Wanted, here: Environment, code: str) -> Finding:
    found = [finding for finding in judge(wanted, here, COMPAT) if finding.code == code]
    assert found, f"{code} is silent"
    return found[0]


@pytest.mark.parametrize(("wanted", "here"), [(SERVE, CPU), (SERVE, LIGHT), (SERVE, GPU), (EAGER, CPU), (EAGER, GPU)])
def test_what_fits_has_no_finding_but_ok(wanted: Wanted, here: Environment) -> None:
    assert [finding for finding in judge(wanted, here, COMPAT) if finding.severity != "ok"] == []


def driven(driver: str, torch: str = "2.13.0+cu130", cuda: str = "13.0", cudnn: str = "9.20.0.48") -> Environment:
    return replace(GPU, driver=driver, torch=torch, cuda=cuda, cudnn=cudnn)


def card(capability: str, torch: str = "2.13.0+cu130", cuda: str = "13.0", driver: str = "595.71.05") -> Environment:
    return replace(GPU, torch=torch, cuda=cuda, driver=driver, gpus=(Gpu("card", capability),))


# (what is wanted, where, rule, verdict)
CELLS = {
    # serving
    "Python 3.11": (SERVE, replace(CPU, python="3.11.0"), "D101", "ok"),
    "Python 3.10": (SERVE, replace(CPU, python="3.10.14"), "D101", "error"),
    "Python not told": (SERVE, replace(CPU, python=""), "D101", "warning"),
    "aisle older than the bundle's": (SERVE, replace(CPU, packages=packages(aisle="0.3.9")), "D102", "warning"),
    "aisle newer than the bundle's": (SERVE, replace(CPU, packages=packages(aisle="0.10.0")), "D102", "ok"),
    "no aisle": (SERVE, replace(CPU, packages=packages(aisle=None)), "D102", "error"),
    "packages not told": (SERVE, replace(CPU, packages={}), "D102", "warning"),
    "no NumPy": (SERVE, replace(CPU, packages=packages(numpy=None)), "D103", "error"),
    "NumPy 1.25": (SERVE, replace(CPU, packages=packages(numpy="1.25.2")), "D103", "error"),
    "NumPy 1.26": (SERVE, replace(CPU, packages=packages(numpy="1.26.4")), "D103", "ok"),
    "no ONNX Runtime": (SERVE, replace(CPU, packages=packages(onnxruntime=None)), "D104", "error"),
    "ONNX Runtime for GPUs": (
        SERVE,
        replace(CPU, packages=packages(onnxruntime=None, onnxruntime_gpu="1.22.0")),
        "D104",
        "ok",
    ),
    "opset 22 and the release before it": (
        replace(SERVE, onnx_opset=22),
        replace(CPU, packages=packages(onnxruntime="1.20.1")),
        "D104",
        "error",
    ),
    "opset 22 and its release": (
        replace(SERVE, onnx_opset=22),
        replace(CPU, packages=packages(onnxruntime="1.21.0")),
        "D104",
        "ok",
    ),
    "IR 11 and a release that reads IR 10": (
        replace(SERVE, onnx_ir_version=11),
        replace(CPU, packages=packages(onnxruntime="1.22.1")),
        "D104",
        "error",
    ),
    "a release older than any that was measured": (
        SERVE,
        replace(CPU, packages=packages(onnxruntime="1.17.0")),
        "D104",
        "warning",
    ),
    "an opset that nobody reads yet": (replace(SERVE, onnx_opset=99), CPU, "D104", "warning"),
    "no FAISS": (SERVE, replace(CPU, packages=packages(faiss_cpu=None)), "D105", "error"),
    "FAISS older than the index's": (SERVE, replace(CPU, packages=packages(faiss_cpu="1.8.0")), "D105", "warning"),
    "no torch, to serve": (SERVE, LIGHT, "D110", "ok"),
    "a torch far too old, to serve": (SERVE, replace(CPU, torch="1.13.1"), "D110", "ok"),
    # torch itself
    "torch 2.6": (EAGER, replace(CPU, torch="2.6.0+cpu"), "D111", "error"),
    "torch 2.7": (EAGER, replace(CPU, torch="2.7.1+cpu"), "D111", "ok"),
    "torch 2.14": (EAGER, replace(CPU, torch="2.14.0+cpu"), "D111", "error"),
    "a preview of torch 2.14": (EAGER, replace(CPU, torch="2.14.0a0+cpu"), "D111", "error"),
    "no torch, for eager answers": (EAGER, LIGHT, "D111", "error"),
    "torch that is not its package's": (EAGER, replace(CPU, torch="2.12.0+cpu"), "D112", "error"),
    "a package without its torch": (EAGER, replace(CPU, torch=None), "D112", "error"),
    "torch older than the bundle's": (EAGER, replace(CPU, torch="2.12.1+cpu"), "D113", "warning"),
    "torch older than the bundle's programs": (replace(EAGER, extras=True), replace(CPU, torch="2.12.1+cpu"), "D113", "error"),
    "torch newer than the bundle's": (replace(EAGER, torch="2.9.0"), CPU, "D113", "ok"),
    "torch newer than the bundle's programs": (replace(EAGER, torch="2.9.0", extras=True), CPU, "D113", "warning"),
    # torch and Python
    "torch 2.13 and Python 3.15": (EAGER, replace(CPU, python="3.15.0"), "D114", "ok"),
    "torch 2.13 and Python 3.16": (EAGER, replace(CPU, python="3.16.0"), "D114", "error"),
    "torch 2.8 and Python 3.13": (EAGER, replace(CPU, torch="2.8.0", python="3.13.1"), "D114", "ok"),
    "torch 2.8 and Python 3.14": (EAGER, replace(CPU, torch="2.8.0", python="3.14.0"), "D114", "error"),
    "torch 2.13 and Python 3.9": (EAGER, replace(CPU, python="3.9.2"), "D114", "error"),
    "torch 2.8 and a free-threaded 3.13": (
        EAGER,
        replace(CPU, torch="2.8.0", python="3.13.1", free_threaded=True),
        "D114",
        "warning",
    ),
    "torch 2.13 and a free-threaded 3.13": (EAGER, replace(CPU, python="3.13.1", free_threaded=True), "D114", "error"),
    # torch and CUDA
    "torch 2.13 for CUDA 13.0": (EAGER, GPU, "D115", "ok"),
    "torch 2.13 for CUDA 13.2": (EAGER, driven("595.71.05", "2.13.0+cu132", "13.2"), "D115", "warning"),
    "torch 2.13 for CUDA 12.6": (EAGER, driven("580.95.05", "2.13.0+cu126", "12.6", "9.10.2.21"), "D115", "warning"),
    "torch 2.13 for CUDA 12.8": (EAGER, driven("580.95.05", "2.13.0+cu128", "12.8"), "D115", "error"),
    "torch 2.7 for CUDA 11.8": (EAGER, driven("580.95.05", "2.7.1+cu118", "11.8", "9.1.0.70"), "D115", "ok"),
    "torch 2.15 for CUDA 12.6": (EAGER, driven("580.95.05", "2.15.0+cu126", "12.6"), "D115", "error"),
    "a CPU build beside a GPU": (EAGER, replace(CPU, gpus=(Gpu("H100", "9.0"),), driver="580.95.05"), "D115", "warning"),
    "CUDA of another major version than the bundle's": (
        replace(EAGER, cuda="12.8", torch="2.13.0"),
        GPU,
        "D113",
        "ok",  # the torch fits; that the CUDA differs is said beside it
    ),
    # cuDNN
    "cuDNN of the wheel": (EAGER, GPU, "D116", "ok"),
    "a newer cuDNN 9": (EAGER, driven("580.95.05", cudnn="9.24.0.43"), "D116", "ok"),
    "an older patch of that cuDNN": (EAGER, driven("580.95.05", cudnn="9.20.0.1"), "D116", "ok"),
    "an older cuDNN 9": (EAGER, driven("580.95.05", cudnn="9.10.2.21"), "D116", "error"),
    "cuDNN 8": (EAGER, driven("580.95.05", cudnn="8.9.7"), "D116", "error"),
    "cuDNN 10": (EAGER, driven("580.95.05", cudnn="10.0.0"), "D116", "error"),
    "no cuDNN": (EAGER, replace(GPU, cudnn=None), "D116", "error"),
    # the driver
    "CUDA 13.0 and its driver": (EAGER, driven("580.95.05"), "D117", "ok"),
    "CUDA 13.0 and a newer driver": (EAGER, driven("595.45.04"), "D117", "ok"),
    "CUDA 13.0 and the first driver of that major version": (EAGER, driven("580.65.06"), "D117", "warning"),
    "CUDA 13.0 and a driver for CUDA 12": (EAGER, driven("570.124.06"), "D117", "error"),
    "CUDA 12.8 and a driver for CUDA 12.2": (
        EAGER,
        driven("535.54.03", "2.9.0+cu128", "12.8", "9.10.2.21"),
        "D117",
        "warning",
    ),
    "CUDA 12.8 and a driver for CUDA 13": (EAGER, driven("580.95.05", "2.9.0+cu128", "12.8", "9.10.2.21"), "D117", "ok"),
    "CUDA 12.6 and a driver for CUDA 11": (EAGER, driven("520.61.05", "2.9.0+cu126", "12.6", "9.10.2.21"), "D117", "error"),
    "CUDA 11.8 and driver 450": (EAGER, driven("450.80.02", "2.7.1+cu118", "11.8", "9.1.0.70"), "D117", "warning"),
    "CUDA 11.8 and driver 440": (EAGER, driven("440.33.01", "2.7.1+cu118", "11.8", "9.1.0.70"), "D117", "error"),
    "an image looked at without a GPU": (EAGER, replace(GPU, gpus=(), driver=None), "D117", "warning"),
    # the GPU
    "H100, sm_90": (EAGER, card("9.0"), "D118", "ok"),
    "L4 runs code for sm_86": (EAGER, card("8.9"), "D118", "ok"),
    "T4": (EAGER, card("7.5"), "D118", "ok"),
    "V100 and CUDA 13": (EAGER, card("7.0"), "D118", "error"),
    "V100 and CUDA 12.6": (EAGER, card("7.0", "2.13.0+cu126", "12.6"), "D118", "ok"),
    "V100 and torch 2.11 for CUDA 12.8": (EAGER, card("7.0", "2.11.0+cu128", "12.8"), "D118", "error"),
    "V100 and torch 2.10 for CUDA 12.8": (EAGER, card("7.0", "2.10.0+cu128", "12.8"), "D118", "warning"),
    "B200 and CUDA 12.6": (EAGER, card("10.0", "2.13.0+cu126", "12.6"), "D118", "error"),
    "B200 and CUDA 12.8": (EAGER, card("10.0", "2.7.0+cu128", "12.8"), "D118", "ok"),
    "GB300 runs code for sm_100": (EAGER, card("10.3"), "D118", "ok"),
    "GB10 runs code for sm_120": (EAGER, card("12.1"), "D118", "ok"),
    "a GPU of tomorrow by PTX": (EAGER, card("13.0"), "D118", "ok"),
    "a GPU of tomorrow and a driver too old for PTX": (EAGER, card("13.0", driver="580.65.06"), "D118", "error"),
    "GTX 1080 and CUDA 12.6": (EAGER, card("6.1", "2.13.0+cu126", "12.6"), "D118", "ok"),
    "a wheel that nobody listed": (EAGER, card("9.0", "2.13.0+cu129", "12.9"), "D118", "warning"),
    "an old driver that tells no capability": (EAGER, card(""), "D118", "warning"),
    "H100 and a driver that is as old": (EAGER, card("9.0", "2.7.1+cu118", "11.8", "520.61.05"), "D119", "ok"),
    "H100 and a driver before it": (EAGER, card("9.0", "2.7.1+cu118", "11.8", "515.43.04"), "D119", "error"),
}  # fmt: skip


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_has_its_verdict(cell: str) -> None:
    wanted, here, code, severity = CELLS[cell]
    assert said(wanted, here, code).severity == severity


@pytest.mark.parametrize("cell", CELLS)
def test_what_does_not_fit_says_what_was_seen_what_was_expected_and_what_to_do(cell: str) -> None:
    wanted, here, code, severity = CELLS[cell]
    finding = said(wanted, here, code)
    assert finding.seen
    assert finding.expected
    assert bool(finding.fix) == (severity != "ok") or code in {"D117", "D118"}
    assert set(finding.as_dict()) == {"code", "subject", "severity", "seen", "expected", "fix", "source", "why"}


def test_a_cuda_of_another_major_version_is_said_beside_the_torch() -> None:
    findings = judge(replace(EAGER, cuda="12.8"), GPU, COMPAT)
    assert [(one.severity, one.seen) for one in findings if one.subject == "CUDA of the bundle"] == [("warning", "13.0")]


def test_code_that_was_measured_at_export_counts_more_than_the_table() -> None:
    made = replace(EAGER, torch=GPU.torch, cuda="13.0", architectures=("sm_80", "sm_86"))
    finding = said(made, GPU, "D118")  # an H100, and this build of torch has nothing for it
    assert (finding.severity, finding.source) == ("error", "measured: at export")
    assert said(replace(made, architectures=("sm_90a",)), GPU, "D118").severity == "ok"
    assert said(replace(made, architectures=("sm_100a",)), card("10.3"), "D118").severity == "error"
    assert said(replace(made, architectures=("sm_80", "compute_80")), GPU, "D118").severity == "ok"


@pytest.mark.parametrize(
    ("here", "code", "fix"),
    [
        (card("7.0"), "D118", "torch==2.13.0 --index-url https://download.pytorch.org/whl/cu126"),
        (card("10.0", "2.9.0+cu126", "12.6"), "D118", "torch==2.9.0 --index-url https://download.pytorch.org/whl/cu128"),
        (card("3.0"), "D118", "take an older torch"),
        (driven("570.124.06"), "D117", "torch==2.13.0 --index-url https://download.pytorch.org/whl/cu126"),
        (driven("440.33.01"), "D117", "install an NVIDIA driver 580.95.05 or later"),
        (driven("580.95.05", "2.13.0+cu128", "12.8"), "D115", "torch==2.13.0 --index-url https://download.pytorch.org/whl/cu130"),
        (driven("580.95.05", cudnn="8.9.7"), "D116", "pip install nvidia-cudnn-cu13==9.20.0.48"),
        (replace(CPU, torch="2.14.0"), "D111", "pip install 'torch>=2.7,<2.14'"),
    ],
)
def test_the_fix_is_a_command_that_would_fit_here(here: Environment, code: str, fix: str) -> None:
    assert fix in said(EAGER, here, code).fix


def test_serving_never_asks_for_torch_or_a_gpu() -> None:
    hopeless = replace(CPU, torch="0.4.1", cuda="8.0", cudnn="6.0", driver="300.0", gpus=(Gpu("old", "3.0"),))
    assert errors(judge(SERVE, hopeless, COMPAT)) == []
    assert errors(judge(EAGER, hopeless, COMPAT))


def test_the_judge_asks_every_rule_and_no_code_has_two_rules() -> None:
    assert len(set(SERVING + TORCH)) == len(SERVING) + len(TORCH)
    codes = [finding.code for finding in judge(EAGER, GPU, COMPAT)]
    assert sorted(set(codes)) == [
        "D101",
        "D102",
        "D103",
        "D104",
        "D105",
        "D111",
        "D113",
        "D114",
        "D115",
        "D116",
        "D117",
        "D118",
        "D119",
    ]


def test_what_aisle_needs_is_what_its_package_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = COMPAT.aisle
    assert project["requires-python"] == f">={needed['python_min']}"
    listed = [*project["dependencies"], *(name for extra in project["optional-dependencies"].values() for name in extra)]
    assert f"torch>={needed['torch_min']},<{needed['torch_below']}" in listed
    assert f"numpy>={needed['numpy_min']}" in listed


def test_the_page_of_bundles_lists_the_rules_that_verify_asks() -> None:
    documented = re.findall(r"^\| (D\d{3}) \|", (ROOT / "docs" / "bundles.md").read_text(), re.MULTILINE)
    doctor = ROOT / "src" / "aisle" / "doctor"
    asked = {
        code
        for name in ("serving_rules.py", "torch_rules.py", "gpu_rules.py")
        for code in re.findall(r'"(D\d{3})"', (doctor / name).read_text())
    }
    assert sorted(asked) == documented
