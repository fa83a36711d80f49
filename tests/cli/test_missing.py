"""A command whose packages are not installed says which extra brings them."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run_without(package: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `aisle` where a package is not installed: an import of it finds nothing."""
    code = f"import sys; sys.modules[{package!r}] = None; from aisle.cli.main import main; sys.argv[1:] = {list(arguments)!r}; "
    return subprocess.run([sys.executable, "-c", code + "sys.exit(main())"], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("package", "command", "extra"),
    [("torch", "train", "train"), ("onnxruntime", "verify", "serve"), ("torch", "export", "train")],
)
def test_a_missing_package_is_named_with_the_extra_that_brings_it(package: str, command: str, extra: str) -> None:
    done = run_without(package, command, "x")
    assert done.returncode == 2
    assert f"`aisle {command}` needs the package {package}" in done.stderr
    assert f"pip install 'aisle[{extra}]'" in done.stderr


def test_a_command_that_does_not_need_the_package_does_not_ask_for_it() -> None:
    assert run_without("torch", "prepare", "--help").returncode == 0
