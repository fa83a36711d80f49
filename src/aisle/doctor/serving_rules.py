"""What serving a bundle needs: Python, NumPy, and the packages that open its networks and its index. D101 to D109."""

from __future__ import annotations

from collections.abc import Iterator

from aisle.doctor.finding import Finding, Severity
from aisle.doctor.wanted import Wanted
from aisle.environment.compat import Compat
from aisle.environment.described import Environment
from aisle.environment.versions import at_least, line

_NOT_TOLD = "not told"
_ASK = "run `aisle env --json` there, and give that file"
_PYPROJECT = "what aisle is tested with (pyproject.toml)"


def python(wanted: Wanted, here: Environment, compat: Compat) -> Iterator[Finding]:
    """D101: aisle needs a Python from some version on."""
    needed = compat.aisle["python_min"]
    if not here.python:
        yield Finding("D101", "Python", "warning", _NOT_TOLD, f">= {needed}", _ASK)
        return
    fits = at_least(here.python, needed)
    fix = "" if fits else f"make an environment with Python {needed} or later, such as `uv venv --python {needed}`"
    yield Finding("D101", "Python", "ok" if fits else "error", here.python, f">= {needed}", fix, _PYPROJECT)


def aisle_version(wanted: Wanted, here: Environment, compat: Compat) -> Iterator[Finding]:
    """D102: a bundle is read by the aisle that wrote it or a later one; the format version says whether others can."""
    if wanted.aisle is None:
        return
    if not here.packages:  # an image that was not asked, only read
        yield Finding("D102", "aisle and packages", "warning", _NOT_TOLD, f"aisle >= {wanted.aisle}", _ASK)
        return
    seen = here.packages.get("aisle")
    if seen is None:
        yield Finding("D102", "aisle", "error", "not installed", f">= {wanted.aisle}", "pip install 'aisle[serve]'")
    elif at_least(seen, wanted.aisle):
        yield Finding("D102", "aisle", "ok", seen, f">= {wanted.aisle}")
    else:
        yield Finding("D102", "aisle", "warning", seen, f">= {wanted.aisle}", f"pip install 'aisle>={wanted.aisle}'")


def numpy(wanted: Wanted, here: Environment, compat: Compat) -> Iterator[Finding]:
    """D103: .npy files are read by every NumPy; aisle's own code needs one from some version on."""
    if not here.packages:
        return
    needed, seen = compat.aisle["numpy_min"], here.packages.get("numpy")
    fits = seen is not None and at_least(seen, needed)
    fix = "" if fits else f"pip install 'numpy>={needed}'"
    yield Finding("D103", "NumPy", "ok" if fits else "error", seen or "not installed", f">= {needed}", fix, _PYPROJECT)


def onnxruntime(wanted: Wanted, here: Environment, compat: Compat) -> Iterator[Finding]:
    """D104: ONNX Runtime must be new enough for the opset and the file format of the networks."""
    if wanted.onnx_opset is None or not here.packages:
        return
    seen = here.packages.get("onnxruntime") or here.packages.get("onnxruntime-gpu")
    opset, ir = wanted.onnx_opset, wanted.onnx_ir_version or 0
    expected = f"reads opset {opset}" + (f", IR {ir}" if ir else "")
    able = [row for row in compat.onnxruntime if row.opset_max >= opset and row.ir_max >= ir]
    source = f"{able[0].evidence}: {compat.sources[able[0].source]}" if able else ""
    if not able:
        latest = compat.onnxruntime[-1]
        fix = f"export with an opset up to {latest.opset_max} (IR {latest.ir_max}), which ONNX Runtime {latest.version} reads"
        yield Finding("D104", "ONNX Runtime", "warning", seen or "not installed", expected, fix, "no release is known that does")
        return
    fix = f"pip install 'onnxruntime>={able[0].version}'"
    if seen is None:
        yield Finding("D104", "ONNX Runtime", "error", "not installed", f">= {able[0].version}, {expected}", fix, source)
    elif at_least(seen, able[0].version):
        yield Finding("D104", "ONNX Runtime", "ok", seen, f">= {able[0].version}, {expected}", "", source)
    else:
        # What the oldest release of the table reads, older ones may read too: nobody measured them.
        older: Severity = "warning" if able[0] is compat.onnxruntime[0] else "error"
        yield Finding("D104", "ONNX Runtime", older, seen, f">= {able[0].version}, {expected}", fix, source)


def faiss(wanted: Wanted, here: Environment, compat: Compat) -> Iterator[Finding]:
    """D105: an index of FAISS is opened by FAISS, and by none older than the one that wrote it for certain."""
    if wanted.faiss is None or not here.packages:
        return
    seen = here.packages.get("faiss-cpu") or here.packages.get("faiss-gpu")
    expected, fix = f">= {line(wanted.faiss)}", f"pip install 'faiss-cpu>={line(wanted.faiss)}'"
    if seen is None:
        yield Finding("D105", "FAISS", "error", "not installed", expected, fix)
    elif at_least(seen, line(wanted.faiss)):
        yield Finding("D105", "FAISS", "ok", seen, expected)
    else:
        yield Finding("D105", "FAISS", "warning", seen, expected, fix)
