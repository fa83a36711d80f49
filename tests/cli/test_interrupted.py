"""Ctrl-C, wherever it comes, ends a command with one line and status 130."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# As `python -m aisle.cli.main` runs it, with a command that is interrupted.
_RUN = """
import sys
import aisle.cli.main as cli
def interrupted(**options):
    {raised}
cli.aisle.main = interrupted
sys.exit(cli.main())
"""


@pytest.mark.parametrize("raised", ["raise KeyboardInterrupt", "exec('raise KeyboardInterrupt')"])
def test_whatever_was_running(raised: str, tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(_RUN.format(raised=raised))
    done = subprocess.run([sys.executable, "-m", "run"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr.startswith("interrupted; finished work is kept")
