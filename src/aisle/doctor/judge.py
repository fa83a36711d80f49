"""Facts in, findings out. Every rule is a function of the same three things and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from aisle.doctor import gpu_rules, serving_rules, torch_rules
from aisle.doctor.finding import Finding
from aisle.doctor.wanted import Wanted
from aisle.environment.compat import Compat
from aisle.environment.described import Environment

Rule = Callable[[Wanted, Environment, Compat], Iterator[Finding]]

SERVING: tuple[Rule, ...] = (
    serving_rules.python,
    serving_rules.aisle_version,
    serving_rules.numpy,
    serving_rules.onnxruntime,
    serving_rules.faiss,
)
TORCH: tuple[Rule, ...] = (
    torch_rules.version,
    torch_rules.installation,
    torch_rules.made_with,
    torch_rules.python,
    torch_rules.cuda,
    torch_rules.cudnn,
    gpu_rules.driver,
    gpu_rules.architecture,
    gpu_rules.known,
)


def judge(wanted: Wanted, here: Environment, compat: Compat) -> list[Finding]:
    """Say what fits and what does not.

    Args:
        wanted: what is asked for.
        here: the machine or image that is to run it.
        compat: what goes with what.

    Returns:
        One finding or more a rule that applies, in the order of the rules.
    """
    rules = SERVING + (TORCH if wanted.purpose == "torch" else (torch_rules.not_needed,))
    return [finding for rule in rules for finding in rule(wanted, here, compat)]
