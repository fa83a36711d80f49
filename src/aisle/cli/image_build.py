"""What is built for a machine: which base, which tag, and the words for `docker build`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aisle import __version__
from aisle.doctor.plan import ask, make_plan
from aisle.environment.compat import Compat
from aisle.environment.described import Environment
from aisle.environment.versions import line
from aisle.errors import AisleError

# What teams run, and what a machine without a GPU is given: its CUDA lies unused there.
DEFAULT_BASE = "pytorch/pytorch:2.7.1-cuda11.8-cudnn9-runtime"
DOCKERFILE = Path("image") / "Dockerfile"
TARGETS = ("lab", "train", "serve")


@dataclass(frozen=True)
class Build:
    """One image to be built.

    Attributes:
        target: of the Dockerfile.
        tag: of the image.
        base: what it is built on, for train and lab; None for serve, which has no torch.
        why: one sentence about the base.
        arguments: build arguments.
        ca: file of certificates for pip, passed as a secret; None without.
        source: checkout with image/Dockerfile.
    """

    target: str
    tag: str
    base: str | None
    why: str
    arguments: Mapping[str, str]
    ca: Path | None
    source: Path

    def words(self, labels: Mapping[str, str] | None = None) -> list[str]:
        """Return the command."""
        found = ["docker", "build", "--file", str(self.source / DOCKERFILE), "--target", self.target, "--tag", self.tag]
        for name, value in self.arguments.items():
            found += ["--build-arg", f"{name}={value}"]
        if self.ca is not None:
            found += ["--secret", f"id=ca,src={self.ca}"]
        for name, value in (labels or {}).items():
            found += ["--label", f"{name}={value}"]
        return [*found, str(self.source)]

    @property
    def run(self) -> str:
        """How the image is started."""
        if self.target == "lab":
            return f"docker run -d --gpus all -p 8888:8888 -p 2222:22 --name rec-env {self.tag}"
        if self.target == "train":
            return f"docker run --rm --gpus all -v aisle_checkpoints:/workspace/checkpoints {self.tag} aisle train ..."
        return f"docker run -d -p 8000:8000 -v BUNDLE:/bundle:ro {self.tag}"

    def as_dict(self) -> dict[str, object]:
        """Return it ready for JSON."""
        return {
            "target": self.target,
            "tag": self.tag,
            "base": self.base,
            "why": self.why,
            "arguments": dict(self.arguments),
            "build": shlex.join(self.words()),
            "run": self.run,
        }


def choose_base(gpu: str | None, driver: str | None, here: Environment, compat: Compat) -> tuple[str, str]:
    """Return the base for a GPU and a driver, and why; what is not given is taken from this machine.

    Raises:
        AisleError: E907 when one of them is not known, E910 when no image runs there or only half of it is told.
    """
    gpu = gpu or (here.gpus[0].capability or here.gpus[0].name if here.gpus else None)
    driver = driver or here.driver
    if gpu is None and driver is None:
        return DEFAULT_BASE, "there is no NVIDIA GPU here, so that any base runs, on the CPU; this is the default"
    if gpu is None or driver is None:
        missing = "--gpu" if gpu is None else "--driver"
        raise AisleError(
            f"{missing} is not given, and this machine does not tell", hint="such as --gpu H100 --driver 535", code="E910"
        )
    plan = make_plan(ask(compat, gpu=gpu, driver=driver), compat)
    if plan.best is None or plan.best.image is None:
        why = plan.why if plan.best is None else f"there is no image with CUDA for {plan.asked.machine}"
        raise AisleError(why, hint=f"`aisle doctor --plan --gpu {gpu} --driver {driver}` says what there is", code="E910")
    seen = "" if plan.best.image_seen else "; the tag follows from the naming rule, look with `docker manifest inspect`"
    return plan.best.image, plan.why + seen


def check_base(base: str, compat: Compat) -> None:
    """Refuse a tag that people write and that does not exist.

    Raises:
        AisleError: E910.
    """
    for wrong in compat.images.wrong:
        if base == wrong.tag or base.endswith(f"/{wrong.tag}"):
            raise AisleError(f"there is no image {wrong.tag}: {wrong.why}", hint=f"--base {wrong.instead}", code="E910")


def default_tag(target: str, base: str | None) -> str:
    """Return the tag that compose.yaml expects: "pytorch-cuda:v2.7" for a base with torch 2.7.1.

    Raises:
        AisleError: E910 when the base does not tell its torch.
    """
    if target == "serve" or base is None:
        return f"aisle-serve:v{line(__version__)}"
    version = base.split("@", maxsplit=1)[0].rsplit(":", maxsplit=1)[-1].split("-", maxsplit=1)[0]
    if not version[:1].isdigit():
        raise AisleError(f"the base {base} does not tell its torch", hint="name the image with --tag", code="E910")
    return f"pytorch-cuda:v{line(version)}" + ("" if target == "lab" else f"-{target}")


def find_source(given: Path | None) -> Path:
    """Return the checkout that has image/Dockerfile: what was given, or this folder or one above it.

    Raises:
        AisleError: E911 when there is none.
    """
    places = [given] if given else [Path.cwd(), *Path.cwd().parents]
    for place in places:
        if (place / DOCKERFILE).is_file():
            return place
    raise AisleError(
        f"no {DOCKERFILE} in {places[0]}{'' if given else ' or above'}",
        hint="images are built from a checkout of aisle's repository: run this in it, or give --source",
        code="E911",
    )
