"""Every error a user can mend: what is wrong, what was expected, what to do, a permanent code, an exit status.

Codes are never reused. The hundreds say whose door was knocked on: 1 logs, 2 dataset, 3 model, 4 recipe, 5 training,
6 storage, 7 evaluation and comparison, 8 simulation, 9 command line, 0 bundles, registry and service.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_STATUS = {"0": 11, "1": 3, "2": 4, "3": 5, "4": 6, "5": 7, "6": 8, "7": 9, "8": 10, "9": 2}


class AisleError(Exception):
    """An error that the user can mend.

    Args:
        message: what is wrong, with the value that was seen and what was expected.
        hint: what to do now, as one sentence or command.
        code: a permanent code such as "E101"; its first digit picks the exit status.

    Example:
        >>> print(AisleError("no file at logs.csv", hint="check the path", code="E101"))
        no file at logs.csv
          hint: check the path [E101]
    """

    def __init__(self, message: str, *, hint: str, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code

    @property
    def exit_status(self) -> int:
        """The process exit status for this family of errors."""
        return EXIT_STATUS[self.code[1]]

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint} [{self.code}]"


def did_you_mean(seen: str, known: Iterable[str]) -> str:
    """Return "did you mean 'x'?" for the closest known name, or the list of known names when none is close."""
    names = sorted(known)
    close = difflib.get_close_matches(seen, names, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else f"known names: {', '.join(names)}"
