"""Whether a torch fits aisle, what it was made for, and its Python, CUDA and cuDNN. D110 to D116."""

from __future__ import annotations

from collections.abc import Iterator

from aisle.doctor.finding import Finding, Severity
from aisle.doctor.torch_builds import install, install_one
from aisle.doctor.wanted import Wanted
from aisle.environment.compat import Compat
from aisle.environment.described import Environment
from aisle.environment.versions import at_least, line, release


def not_needed(wanted: Wanted, here: Environment, compat: Compat) -> Iterator[Finding]:
    """D110: serving needs no torch, whatever is there."""
    yield Finding("D110", "torch (not needed)", "ok", here.torch or "not installed", "any, or none")


def version(wanted: Wanted, here: Environment, compat: Compat) -> Iterator[Finding]:
    """D111: aisle works with some releases of torch."""
    low, below = compat.aisle["torch_min"], compat.aisle["torch_below"]
    expected, fix = f">= {low}, < {below}", f"pip install 'torch>={low},<{below}'"
    if here.torch is None:
        yield Finding("D111", "torch", "error", "not installed", expected, fix)
        return
    # 2.14.0a0, a preview, counts as 2.14.
    fits = at_least(here.torch, low) and not at_least(here.torch, below)
    yield Finding("D111", "torch", "ok" if fits else "error", here.torch, expected, "" if fits else fix, _matrix(here, compat))


def installation(wanted: Wanted, here: Environment, compat: Compat) -> Iterator[Finding]:
    """D112: the torch that is imported should be the one that the package manager knows."""
    package = here.packages.get("torch")
    if here.torch is None:
        if package is not None:
            fix = f"pip install --force-reinstall torch=={package}"
            yield Finding("D112", "torch installation", "error", "no torch/version.py", f"{package}, as its package says", fix)
        return
    # Images built from source have no package at all, which is no damage.
    if package is not None and release(package) != release(here.torch):
        fix = f"pip install --force-reinstall torch=={package}"
        yield Finding("D112", "torch installation", "error", here.torch, f"{package}, as its package says", fix)


def made_with(wanted: Wanted, here: Environment, compat: Compat) -> Iterator[Finding]:
    """D113: weights load in any torch; a `torch.export` program asks for the torch that wrote it, or a later one."""
    if wanted.torch is None or here.torch is None:
        return
    made, expected = line(wanted.torch), f"{line(wanted.torch)}, which made the bundle"
    fix = f"pip install 'torch=={made}.*'"
    older: Severity = "error" if wanted.extras else "warning"
    if line(here.torch) == made:
        yield Finding("D113", "torch of the bundle", "ok", here.torch, expected)
    elif not at_least(here.torch, made):
        yield Finding("D113", "torch of the bundle", older, here.torch, expected, fix)
    else:
        newer: Severity = "warning" if wanted.extras else "ok"
        yield Finding("D113", "torch of the bundle", newer, here.torch, f"{expected}, or later", fix if wanted.extras else "")
    if wanted.cuda and here.cuda and release(wanted.cuda)[:1] != release(here.cuda)[:1]:
        fix = install(wanted.torch, wanted.cuda)
        yield Finding("D113", "CUDA of the bundle", older, here.cuda, f"{wanted.cuda}, which made the bundle", fix)


def python(wanted: Wanted, here: Environment, compat: Compat) -> Iterator[Finding]:
    """D114: each torch is published for some versions of Python."""
    known = compat.torch.get(line(here.torch)) if here.torch else None
    if known is None or not here.python:
        return
    tag = line(here.python) + ("t" if here.free_threaded else "")
    expected = f"{known.python_min} to {known.python_max} for torch {line(here.torch or '')}"
    source = f"{known.evidence}: {compat.sources[known.source]}"
    if tag in known.python_experimental:
        yield Finding("D114", "Python of torch", "warning", tag, expected, _use_python(known.python_max), source)
    elif here.free_threaded or not at_least(tag, known.python_min) or not at_least(known.python_max, line(here.python)):
        yield Finding("D114", "Python of torch", "error", tag, expected, _use_python(known.python_max), source)
    else:
        yield Finding("D114", "Python of torch", "ok", tag, expected, "", source)


def cuda(wanted: Wanted, here: Environment, compat: Compat) -> Iterator[Finding]:
    """D115: each torch is published for some CUDAs."""
    known = compat.torch.get(line(here.torch)) if here.torch else None
    if here.torch is None or known is None:
        return
    published = {build.cuda: build for build in known.cuda if build.support != "removed"}
    fix = install_one(here.torch, compat, lambda _: True, "")
    if here.cuda is None and here.gpus:
        yield Finding("D115", "CUDA of torch", "warning", "a CPU build", "a CUDA build: there is a GPU", fix)
        return
    if here.cuda is None:
        yield Finding("D115", "CUDA of torch", "ok", "a CPU build", "no GPU, no CUDA")
        return
    expected = f"{', '.join(published)} for torch {line(here.torch)}"
    build = compat.build(here.torch, here.cuda)
    source = f"{(build or known).evidence}: {compat.sources[(build or known).source]}"
    if build is None or build.support == "removed":
        yield Finding("D115", "CUDA of torch", "error", here.cuda, expected, fix, source)
    elif build.support == "stable":
        yield Finding("D115", "CUDA of torch", "ok", here.cuda, expected, "", source)
    else:
        yield Finding("D115", "CUDA of torch", "warning", f"{here.cuda} ({build.support})", expected, fix, source)


def cudnn(wanted: Wanted, here: Environment, compat: Compat) -> Iterator[Finding]:
    """D116: the cuDNN that is loaded must have the major version that torch was compiled with, and no older minor one.

    Source: torch's own check, torch/backends/cudnn/__init__.py.
    """
    if here.torch is None or here.cuda is None:
        return
    build = compat.build(here.torch, here.cuda)
    if build is None or build.cudnn is None:
        return
    expected = f"{line(build.cudnn, 1)}.x, {line(build.cudnn)} or later"
    fix = f"pip install nvidia-cudnn-cu{line(here.cuda, 1)}=={build.cudnn}"
    source = f"{build.evidence}: {compat.sources[build.source]}; {compat.sources['torch_source']}"
    if here.cudnn is None:
        yield Finding("D116", "cuDNN", "error", "not found", expected, fix, source)
        return
    same_major = release(here.cudnn)[:1] == release(build.cudnn)[:1]
    fits = same_major and at_least(line(here.cudnn), line(build.cudnn))
    yield Finding("D116", "cuDNN", "ok" if fits else "error", here.cudnn, expected, "" if fits else fix, source)


def _matrix(here: Environment, compat: Compat) -> str:
    known = compat.torch.get(line(here.torch or ""))
    return f"{known.evidence}: {compat.sources[known.source]}" if known else f"not among the releases known in {compat.as_of}"


def _use_python(python_max: str) -> str:
    return f"make an environment with another Python, such as `uv venv --python {python_max}`"
