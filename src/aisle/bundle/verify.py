"""Everything that is held against a bundle before it is trusted: its files, the machine that is to run it, its answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aisle.bundle.golden import Answers, GoldenReport, GoldenRequest, replay
from aisle.bundle.manifest import Manifest
from aisle.bundle.needs import wanted_of
from aisle.bundle.over_http import RunningService, can_be_sent
from aisle.doctor.finding import Finding, errors
from aisle.doctor.judge import judge
from aisle.environment.compat import load_compat
from aisle.environment.described import Environment
from aisle.errors import AisleError


@dataclass(frozen=True)
class Fit:
    """Whether an environment fits a bundle.

    Attributes:
        where: which environment was looked at.
        purpose: "torch" where it has a torch, which then has to fit too; "serve" where it has none.
        findings: of the judge.
    """

    where: str
    purpose: Literal["serve", "torch"]
    findings: tuple[Finding, ...]

    @property
    def fits(self) -> bool:
        """Whether no finding forbids."""
        return not errors(list(self.findings))


@dataclass(frozen=True)
class Replayed:
    """How one way of answering did with the golden requests.

    Attributes:
        way: "served", "eager" or the address of a service.
        report: None where it was not tried.
        why_not: then says why; "" otherwise.
        skipped: golden requests that this way has no words for.
        cause: why something came out differently, where that is known; "" otherwise.
    """

    way: str
    report: GoldenReport | None
    why_not: str = ""
    skipped: int = 0
    cause: str = ""

    @property
    def agrees(self) -> bool:
        """Whether nothing came out differently."""
        return self.report is None or self.report.agrees

    def as_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        told: dict[str, Any] = {"way": self.way, "agrees": None if self.report is None else self.report.agrees}
        if self.report is None:
            return {**told, "not_tried": self.why_not}
        wrong, largest = list(self.report.wrong), self.report.largest_difference
        told |= {"asked": self.report.asked, "skipped": self.skipped, "wrong": wrong, "largest_difference": largest}
        return {**told, "cause": self.cause}


@dataclass(frozen=True)
class Verified:
    """What `aisle verify` found."""

    manifest: Manifest
    fit: Fit
    replayed: tuple[Replayed, ...] = field(default=())

    @property
    def good(self) -> bool:
        """Whether the bundle may be served where it was held against."""
        return self.fit.fits and all(one.agrees for one in self.replayed)


def judge_fit(manifest: Manifest, document: object, where: str, *, serving_only: bool = False) -> Fit:
    """Judge an environment.

    Args:
        manifest: of the bundle.
        document: of `aisle env --json`.
        where: whose it is.
        serving_only: leave a torch out of it that serving does not need.

    Raises:
        AisleError: E018 when the document describes no environment.
    """
    here = Environment.of(document, where)
    has_torch = here.torch is not None or here.packages.get("torch") is not None
    purpose: Literal["serve", "torch"] = "torch" if has_torch and not serving_only else "serve"
    return Fit(where, purpose, tuple(judge(wanted_of(manifest, purpose), here, load_compat())))


def read_environment(path: Path) -> object:
    """Read a file of `aisle env --json`.

    Raises:
        AisleError: E018 when it cannot be read.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise AisleError(
            f"no environment can be read from {path}: {error}", hint="write one with `aisle env --json > ENV.json`", code="E018"
        ) from error


def replay_way(way: str, answers: Answers, golden: Sequence[GoldenRequest], tolerance: float) -> Replayed:
    """Ask the golden requests of something that can answer all of them: the served bundle, the eager model."""
    return Replayed(way, replay(answers, golden, tolerance))


def replay_service(url: str, api_key: str | None, golden: Sequence[GoldenRequest], tolerance: float, bundle: str) -> Replayed:
    """Ask a running service those golden requests that one HTTP request has words for.

    It is asked of the model that is this bundle where several are loaded. No event is sent and nothing is changed there; where it
    logs what it shows it logs these lists too, under request ids that begin with "aisle-verify-".

    Args:
        url, api_key: of the service.
        golden: the requests.
        tolerance: the manifest's.
        bundle: the id of the bundle that they belong to.

    Raises:
        AisleError: E019 when the service does not answer.
    """
    models = RunningService(url, api_key).loaded()
    model = next((one for one in models if one["bundle"] == bundle), models[0])
    asked = RunningService(url, api_key, model["variant"])
    sent = [request for request in golden if can_be_sent(request.question)]
    by_id = [one for one in sent if one.question.user_id is not None and not one.question.whole]
    others = [one for one in sent if one.question.user_id is None or one.question.whole]
    reports = replay(asked, others, tolerance), replay(asked, by_id, tolerance)
    report = GoldenReport(len(sent), reports[0].wrong + reports[1].wrong, max(one.largest_difference for one in reports))
    cause = "" if report.agrees else _cause(model, bundle, only_by_id=reports[0].agrees)
    return Replayed(url, report, skipped=len(golden) - len(sent), cause=cause)


def _cause(model: dict[str, Any], bundle: str, *, only_by_id: bool) -> str:
    """Return why a service answers otherwise than its bundle did at export, as far as it tells."""
    causes = []
    if model["bundle"] != bundle:
        causes.append(f"it answers from bundle {model['bundle']}, and this is {bundle}")
    if changed := model.get("changed_items"):
        causes.append(f"{changed:,} items of its catalogue were changed since it was started")
    if only_by_id and not causes:
        causes.append(
            "only shoppers by id get other lists: what those shoppers did since the export, or an erasure, counts there"
        )
    return "; ".join(causes)
