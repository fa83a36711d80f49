"""`aisle env`: a table for people, a document for `verify --against`, also where torch is broken."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from aisle.cli.main import main
from aisle.environment.described import Environment


def test_people_get_a_table_and_machines_a_document(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["aisle", "env"])
    assert main() == 0
    table = capsys.readouterr().out
    assert platform.python_version() in table
    assert "onnxruntime" in table
    monkeypatch.setattr(sys, "argv", ["aisle", "env", "--json"])
    assert main() == 0
    here = Environment.of(json.loads(capsys.readouterr().out), "this machine")
    assert here.python == platform.python_version()


def test_a_torch_that_cannot_be_imported_still_gets_its_report(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise ImportError('torch is blocked')")
    (tmp_path / "torch" / "version.py").write_text("__version__ = '2.1.0+cu118'\ncuda = '11.8'\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "aisle.cli.main", "env"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "2.1.0+cu118" in done.stdout
    assert "error: torch: 2.1.0+cu118, expected >= 2.7, < 2.14 [D111]" in done.stdout
