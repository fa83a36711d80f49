"""Requests made up from the OpenAPI document, fitting and not: no 5xx, and every answer as the document says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aisle.serve.keys import new_key
from tests.serve.process import serving

# positive_data_acceptance: what fits the document may still not fit the shop, such as an event of nobody or an unknown category.
EXCLUDED = "positive_data_acceptance"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["item-knn", "sasrec"])
def test_no_request_made_up_from_the_document_breaks_the_service(
    name: str, bundle_of: Callable[[str], Path], tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    key = new_key(keys, "everything", ("admin",))
    with serving(tmp_path, bundle_of(name), keys=keys, events=tmp_path / "events", drain_s=0, watch_s=0) as served:
        options = [
            "--checks",
            "all",
            "--exclude-checks",
            EXCLUDED,
            "--max-examples",
            "40",
            "--seed",
            "1",
            "--continue-on-failure",
        ]
        limits = ["--continue-on-failure", "--max-response-time", "10", "--no-color", "--header", f"Authorization: Bearer {key}"]
        command = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{served.url}/openapi.json", *options, *limits]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stdout[-5000:]
        assert served.process.poll() is None
        assert '"event.action":"bug"' not in served.log.read_text()
        assert served.end() == 0
