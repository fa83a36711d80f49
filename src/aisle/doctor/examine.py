"""The whole examination of a machine: the judge of bundles, and the rules about what is around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from aisle.doctor import host_rules, installed_rules, nvidia_rules
from aisle.doctor.finding import Finding
from aisle.doctor.judge import judge
from aisle.doctor.wanted import Wanted
from aisle.environment.compat import Compat
from aisle.environment.machine import Machine

MachineRule = Callable[[Machine, Compat], Iterator[Finding]]
RULES: tuple[MachineRule, ...] = (*installed_rules.RULES, *nvidia_rules.RULES, *host_rules.RULES)


def examine(machine: Machine, compat: Compat) -> list[Finding]:
    """Say what is right and what is wrong with a machine.

    Args:
        machine: what was measured there.
        compat: what goes with what.

    Returns:
        One finding or more a rule that applies, in the order of the codes. Without a torch it is judged for serving.
    """
    torch = machine.environment.torch is not None or machine.environment.packages.get("torch") is not None
    findings = judge(Wanted("torch" if torch else "serve"), machine.environment, compat)
    findings += [finding for rule in RULES for finding in rule(machine, compat)]
    return sorted(findings, key=lambda finding: finding.code)
