"""The machine's facts are plain JSON and say what results depend on."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path

from aisle.environment import facts


def test_the_facts_are_json_and_name_python_and_the_packages() -> None:
    seen = json.loads(json.dumps(facts.environment()))
    assert seen["python"] == platform.python_version()
    assert seen["packages"]["numpy"] == importlib.metadata.version("numpy")
    assert seen["memory_bytes"] > 2**28
    assert seen["cpu"]["cores"] >= 1


def test_the_commit_is_read_and_uncommitted_changes_are_said(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words], cwd=tmp_path, check=True, capture_output=True
        )
        return done.stdout.decode().strip()

    file = tmp_path / "file"
    file.write_text("1")
    assert facts.git_commit(file) is None
    git("init", "--quiet")
    git("add", "file")
    git("commit", "--quiet", "-m", "one")
    head = git("rev-parse", "HEAD")
    assert facts.git_commit(file) == head
    file.write_text("2")
    assert facts.git_commit(file) == head + "+changes"
