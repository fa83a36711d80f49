"""Our data is held against what the wheels ask for: METADATA of published wheels, read on 23 November 2026."""

from __future__ import annotations

from dataclasses import replace
from email.parser import HeaderParser
from pathlib import Path

import pytest

from aisle.doctor.wheel import metadata_disagreements
from aisle.environment.compat import load_compat
from aisle.environment.torch_here import requirements
from aisle.environment.versions import line

COMPAT = load_compat()
WHEELS = sorted((Path(__file__).parent / "wheels").glob("torch-*.txt"))


def metadata(file: Path) -> tuple[str, list[str], str]:
    told = HeaderParser().parsestr(file.read_text())
    return told["Version"], told.get_all("Requires-Dist") or [], told["Requires-Python"]


def default_cuda(torch: str) -> str:
    """The wheels are those of PyPI."""
    return next(build.cuda for build in COMPAT.torch[line(torch)].cuda if build.pypi)


@pytest.mark.parametrize("file", WHEELS, ids=lambda file: file.stem)
def test_the_data_agrees_with_the_wheel(file: Path) -> None:
    torch, lines, python = metadata(file)
    assert metadata_disagreements(torch, default_cuda(torch), lines, COMPAT) == []
    assert len(dict(requirements(lines, "x86_64"))) >= 5
    assert line(python.removeprefix(">=")) == COMPAT.torch[line(torch)].python_min


def test_every_wheel_that_was_read_is_said_to_be_read() -> None:
    read = {line(metadata(file)[0]) for file in WHEELS}
    claimed = {name for name, row in COMPAT.torch.items() for build in row.cuda if build.source == "wheels_read"}
    assert claimed == read


def changed(torch: str, **fields: str) -> list[str]:
    """Damage one fact of our data and hold it against the wheel."""
    name, cuda = line(torch), default_cuda(torch)
    builds = tuple(replace(build, **fields) if build.cuda == cuda else build for build in COMPAT.torch[name].cuda)  # type: ignore[arg-type]
    wrong = replace(COMPAT, torch={**COMPAT.torch, name: replace(COMPAT.torch[name], cuda=builds)})
    file = next(file for file in WHEELS if file.stem == f"torch-{torch}")
    return metadata_disagreements(torch, cuda, metadata(file)[1], wrong)


def test_a_wrong_fact_is_found() -> None:
    assert changed("2.7.1", cudnn="9.1.0.70") == ["cuDNN 9.1.0.70, the wheel pins 9.5.1.17"]
    # RELEASE.md says 9.17.1.4 of this one; the wheel has the last word.
    assert changed("2.11.0", cudnn="9.17.1.4") == ["cuDNN 9.17.1.4, the wheel pins 9.19.0.56"]
    assert changed("2.8.0", nccl="2.26.2") == ["NCCL 2.26.2, the wheel pins 2.27.3"]
    assert changed("2.8.0", toolkit="12.6") == ["CUDA 12.6, the wheel pins 12.8"]
    assert changed("2.12.1", toolkit="13.0.3") == ["toolkit 13.0.3, the wheel pins 13.0.2"]


def test_a_build_that_is_not_in_the_data_is_said() -> None:
    assert metadata_disagreements("9.9.0", "13.0", [], COMPAT) == ["torch 9.9.0 for CUDA 13.0 is not in the data"]


def test_only_what_is_pinned_for_this_processor_counts() -> None:
    lines = [
        'nvidia-nccl-cu12==2.27.5; platform_system == "Linux" and platform_machine == "x86_64"',
        'triton==3.6.0; platform_system == "Linux"',
        "nvidia-cublas<=13.1.1.3,>=13.1.0.3",
        'opt-einsum>=3.3; extra == "opt-einsum"',
        "cuda-toolkit[cublas,cudart]==13.0.2; platform_system == 'Linux'",
    ]
    assert dict(requirements(lines, "x86_64")) == {"nvidia-nccl-cu12": "2.27.5", "triton": "3.6.0", "cuda-toolkit": "13.0.2"}
    assert "nvidia-nccl-cu12" not in dict(requirements(lines, "aarch64"))
