"""A plan for people: what to take and why first, then what would run too, then what would not; the same reason is told once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from aisle.doctor.finding import Finding
from aisle.doctor.plan import Option, Plan


def plan_text(plan: Plan) -> str:
    """Return it."""
    asked = plan.asked
    about = f"{asked.card.name} (compute capability {asked.card.capability}), driver {asked.driver}, {asked.machine}"
    lines = [about + (f", Python {asked.python}" if asked.python else ""), ""]
    if plan.best is not None:
        lines += [f"take torch {plan.best.torch} for CUDA {plan.best.cuda}, Python {plan.best.pythons}", *_ways(plan.best)]
    lines.append(f"  why:   {plan.why}")
    if plan.others:
        lines += ["", "these run there too:", *_grouped(plan.others, lambda option: option.reservations)]
    if plan.refused:
        # One reason is enough: the first.
        lines += ["", "these do not:", *_grouped(plan.refused, lambda option: option.against[:1])]
    return "\n".join(lines)


def _ways(option: Option) -> Iterator[str]:
    yield f"  pip:   {option.pip}"
    if option.image is None:
        yield "  image: PyTorch's images for aarch64 hold a torch for the CPU; install with pip on a base of NVIDIA's"
    else:
        known = "" if option.image_seen else "  (by the naming rule, not seen: `docker manifest inspect` tells)"
        yield f"  image: {option.image}{known}"
    for finding in option.reservations:
        yield f"  but:   {_reason(option, finding)}; {finding.fix}"


def _grouped(options: Sequence[Option], reasons: Callable[[Option], Sequence[Finding]]) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for option in options:
        reason = "; ".join(_reason(option, finding) for finding in reasons(option))
        groups.setdefault(reason, []).append(f"{option.torch}+cu{option.cuda.replace('.', '')}")
    for reason, builds in groups.items():
        yield f"  torch {', '.join(builds)}" + (f"\n      {reason}" if reason else "")


def _reason(option: Option, finding: Finding) -> str:
    """What a group of builds has in common: of CUDA that is its support, of all else what the rule expects."""
    said = option.support if finding.code == "D115" else f"{finding.subject} {finding.seen}, expected {finding.expected}"
    if finding.code == "D111":
        said = f"aisle is tested with torch {finding.expected}"
    return f"{said} [{finding.code}]"
