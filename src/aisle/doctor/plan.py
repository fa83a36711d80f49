"""Which torch, CUDA and image to take for a GPU and a driver: every published build, judged as if it were installed there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from aisle.doctor import gpu_rules, torch_rules
from aisle.doctor.cards import find_card, find_driver
from aisle.doctor.finding import Finding
from aisle.doctor.torch_builds import install
from aisle.doctor.wanted import Wanted
from aisle.environment.compat import Card, Compat, CudaBuild, TorchLine
from aisle.environment.described import Environment, Gpu
from aisle.environment.versions import at_least, line, release
from aisle.errors import AisleError

_RULES = (
    torch_rules.version, torch_rules.python, torch_rules.cuda, gpu_rules.driver, gpu_rules.architecture, gpu_rules.known,
)  # fmt: skip
_RUNTIME = "runtime"


@dataclass(frozen=True)
class Asked:
    """What a plan is for; python None = any that aisle supports."""

    card: Card
    driver: str
    python: str | None
    machine: str


@dataclass(frozen=True)
class Option:
    """One build of torch on that machine.

    Attributes:
        image: a tag of PyTorch's images; None where there is none for this processor.
        image_seen: that tag was seen; else it follows from the naming rule.
        pip: the command that installs it.
        pythons: that it is published for and aisle supports, such as "3.11 to 3.13".
        against: errors: why it does not run there.
        reservations: warnings: what is limited there.
    """

    torch: str
    cuda: str
    support: str
    image: str | None
    image_seen: bool
    pip: str
    pythons: str
    against: tuple[Finding, ...]
    reservations: tuple[Finding, ...]

    @property
    def fits(self) -> bool:
        """It runs there."""
        return not self.against

    def as_dict(self) -> dict[str, object]:
        """Return it ready for JSON."""
        return {
            "torch": self.torch,
            "cuda": self.cuda,
            "support": self.support,
            "image": self.image,
            "image_seen": self.image_seen,
            "pip": self.pip,
            "python": self.pythons,
            "fits": self.fits,
            "against": [finding.as_dict() for finding in self.against],
            "reservations": [finding.as_dict() for finding in self.reservations],
        }


@dataclass(frozen=True)
class Plan:
    """The answer.

    Attributes:
        best: what to take; None where nothing runs there.
        others: what runs there too, best first.
        refused: what does not, newest first.
        why: one sentence about the choice.
        newer_driver: where nothing runs, the oldest known driver with which something does.
    """

    asked: Asked
    best: Option | None
    others: tuple[Option, ...]
    refused: tuple[Option, ...]
    why: str
    newer_driver: str | None = None

    def as_dict(self) -> dict[str, object]:
        """Return it ready for JSON."""
        return {
            "gpu": self.asked.card.name,
            "compute_capability": self.asked.card.capability,
            "driver": self.asked.driver,
            "python": self.asked.python,
            "machine": self.asked.machine,
            "best": self.best.as_dict() if self.best else None,
            "why": self.why,
            "newer_driver": self.newer_driver,
            "others": [option.as_dict() for option in self.others],
            "refused": [option.as_dict() for option in self.refused],
        }


def ask(compat: Compat, *, gpu: str, driver: str, python: str | None = None, machine: str | None = None) -> Asked:
    """Return a question, checked.

    Args:
        compat: what is known.
        gpu: a name or a compute capability.
        driver: a release or a branch.
        python: such as "3.12"; None = any.
        machine: "x86_64" or "aarch64"; None = the usual one of that card.

    Raises:
        AisleError: E907 when one of them is not known.
    """
    card = find_card(gpu, compat)
    if python is not None and len(release(python)) < 2:
        raise AisleError(f"'{python}' is no version of Python", hint="such as --python 3.12", code="E907")
    if machine not in (None, "x86_64", "aarch64"):
        raise AisleError(f"no torch for CUDA is made for '{machine}'", hint="x86_64 or aarch64", code="E907")
    return Asked(card, find_driver(driver, compat), python, machine or card.machine)


def make_plan(asked: Asked, compat: Compat) -> Plan:
    """Judge every published build on that machine, and choose.

    The best is, in this order: undisputed, not experimental, run by the driver without limits, not legacy, of the newest torch,
    of the newest CUDA.
    """
    options = list(_options(asked, compat))
    fits = sorted((option for option in options if option.fits), key=_rank)
    refused = sorted((option for option in options if not option.fits), key=_newest)
    if fits:
        return Plan(asked, fits[0], tuple(fits[1:]), tuple(refused), _why(asked, fits, compat))
    newer = _newer_driver(asked, compat)
    why = f"nothing runs on {asked.card.name} with driver {asked.driver}"
    why += f"; with driver {newer} or later something does" if newer else ", nor with any driver that is known"
    return Plan(asked, None, (), tuple(refused), why, newer)


def _options(asked: Asked, compat: Compat) -> Iterator[Option]:
    for known in compat.torch.values():
        for build in known.cuda:
            found = _judged(asked, known, build, compat)
            image, seen = _image(known.latest, build.cuda, asked.machine, compat)
            yield Option(
                torch=known.latest,
                cuda=build.cuda,
                support=build.support,
                image=image,
                image_seen=seen,
                pip=install(known.latest, build.cuda),
                pythons=_pythons(known, compat),
                against=tuple(finding for finding in found if finding.severity == "error"),
                reservations=tuple(finding for finding in found if finding.severity == "warning"),
            )


def _judged(asked: Asked, known: TorchLine, build: CudaBuild, compat: Compat) -> list[Finding]:
    there = Environment(
        python=asked.python or "",
        free_threaded=(asked.python or "").endswith("t"),
        machine=asked.machine,
        packages={},
        torch=known.latest,
        cuda=build.cuda,
        cudnn=build.cudnn,
        driver=asked.driver,
        gpus=(Gpu(asked.card.name, asked.card.capability),),
    )
    return [finding for rule in _RULES for finding in rule(Wanted("torch"), there, compat)]


def _rank(option: Option) -> tuple[object, ...]:
    codes = {finding.code for finding in option.reservations}
    return ("D118" in codes, option.support == "experimental", "D117" in codes, option.support == "legacy", *_newest(option))


def _newest(option: Option) -> tuple[int, ...]:
    return tuple(-number for number in (*release(option.torch)[:2], *release(option.cuda)[:2]))


def _why(asked: Asked, fits: Sequence[Option], compat: Compat) -> str:
    best, full = fits[0], compat.cuda_of_driver(asked.driver)
    sure = (
        f"driver {asked.driver} supports CUDA up to {full} in full"
        if full
        else f"driver {asked.driver} is older than any toolkit's"
    )
    if not best.reservations:
        said = f"{sure}, and torch {best.torch} for CUDA {best.cuda} is the newest that aisle supports, without a reservation"
        newest = min(fits, key=_newest)
        if newest is not best:
            limits = ", ".join(sorted({finding.subject for finding in newest.reservations})) or "nothing"
            said += f"; torch {newest.torch} for CUDA {newest.cuda} runs too, with reservations ({limits})"
        return said
    return f"{sure}; torch {best.torch} for CUDA {best.cuda} has the fewest reservations"


def _newer_driver(asked: Asked, compat: Compat) -> str | None:
    for driver in sorted(compat.driver_of_toolkit.values(), key=release):
        if at_least(driver, asked.driver) and any(option.fits for option in _options(replace(asked, driver=driver), compat)):
            return driver
    return None


def _image(torch: str, cuda: str, machine: str, compat: Compat) -> tuple[str | None, bool]:
    """Return an image and whether it was seen; PyTorch's images for Arm hold a torch for the CPU only."""
    if machine != "x86_64":
        return None, False
    tags = [tag for tag in compat.images.tags if tag.kind == _RUNTIME and tag.cuda == cuda and line(tag.torch) == line(torch)]
    for tag in sorted(tags, key=lambda tag: release(tag.torch), reverse=True):
        return tag.tag, True
    return compat.images.template.format(torch=torch, cuda=cuda, cudnn=compat.cudnn_of_images(torch)), False


def _pythons(known: TorchLine, compat: Compat) -> str:
    lowest = max(known.python_min, compat.aisle["python_min"], key=release)
    return f"{lowest} to {known.python_max}"
