"""`python -m aisle.doctor`: the examination with nothing but Python, for where not even the command line can be imported."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence

from aisle.doctor.examine import examine
from aisle.doctor.report import document, exit_status, text
from aisle.environment.compat import load_compat
from aisle.environment.machine import measure


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine this machine, print the findings, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m aisle.doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--strict", action="store_true", help="warnings count as failure: exit status 1")
    parser.add_argument("--all", action="store_true", help="show what is fine too")
    parser.add_argument("--no-import", action="store_true", help="do not try to import torch")
    asked = parser.parse_args(arguments)
    machine = measure(trial=not asked.no_import)
    findings = examine(machine, load_compat())
    if asked.json:
        told = {"machine": dataclasses.asdict(machine), **document(findings, strict=asked.strict)}
        print(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        print(text(findings, everything=asked.all))
    return exit_status(findings, strict=asked.strict)


if __name__ == "__main__":
    sys.exit(main())
