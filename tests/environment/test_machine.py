"""A machine is measured whatever state its Python is in: with a torch that raises, and with nothing but the standard library."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from aisle.environment.machine import measure

SOURCE = Path(__file__).parent.parent.parent / "src"
# Whatever is not of the standard library or ours cannot be imported.
BLOCKED = f"""
import sys
sys.path.insert(0, {str(SOURCE)!r})
class Block:
    def find_spec(self, name, path=None, target=None):
        known = {*sys.stdlib_module_names, "aisle"}
        if name.split(".")[0] not in known and not name.startswith("_sysconfigdata"):
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Block())
from aisle.doctor.__main__ import main
sys.exit(main(["--json", "--no-import"]))
"""


def test_this_machine_is_measured_without_importing_torch() -> None:
    code = "import sys; from aisle.environment.machine import measure; measure(trial=False); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    here = measure(trial=False)
    assert here.environment.python == platform.python_version()
    assert here.torch.trial.outcome == "not tried"


def test_the_doctor_runs_isolated_with_nothing_but_the_standard_library() -> None:
    done = subprocess.run([sys.executable, "-S", "-I", "-c", BLOCKED], capture_output=True, text=True, check=False)
    assert done.returncode == 11, done.stderr  # NumPy is missing, which is an error
    document = json.loads(done.stdout)
    assert {"D103"} == {one["code"] for one in document["findings"] if one["severity"] == "error"}
    assert document["machine"]["environment"]["torch"] is None
    assert len(document["findings"]) > 15


def test_the_doctor_runs_beside_a_torch_that_raises(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise OSError('libtorch_cuda.so: undefined symbol: ncclCommSplit')")
    (tmp_path / "torch" / "version.py").write_text("__version__ = '2.13.0+cu130'\ncuda = '13.0'\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "aisle.doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 11, done.stderr
    findings = {one["code"]: one for one in json.loads(done.stdout)["findings"] if one["severity"] != "ok"}
    assert "undefined symbol: ncclCommSplit" in findings["D120"]["seen"]
    assert "cu130" in findings["D120"]["fix"]
    assert findings["D121"]["severity"] == "error"  # the real one is further down the path
    brought = [package for package in importlib.metadata.distributions() if package.name.startswith("nvidia-nccl-cu")]
    assert brought or findings["D123"]["seen"] == "not found"  # `make test-torch-2.7`: a build for CUDA brings one
