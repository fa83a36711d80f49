"""The three models of the GPU tier, their settings, and the way from a carried data set to a line of results."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aisle.errors import AisleError
from aisle.evaluate.evaluation import evaluate
from aisle.evaluate.facts import Facts
from aisle.evaluate.protocol import EvaluateConfig
from aisle.features.histories import Histories
from aisle.models.ligr import LiGRConfig
from aisle.models.lstm import LSTMConfig
from aisle.models.next_item import NextItem, NextItemConfig
from aisle.models.sasrec import SASRecConfig
from aisle.recommend.scorer import Scorer
from aisle.train.config import TrainConfig
from aisle.train.epoch_state import check_identity
from aisle.train.fit import Trained, train_model
from aisle.train.loop import Batches
from aisle.train.watch import EpochRecord, Watch
from aisle.train.windows import Windows
from benchmarks.gpu.carried import Carried, read_carried
from benchmarks.gpu.kept import NumpyCheckpoints

RESULT_NAME, MODEL_NAME = "result.json", "model.npz"
METRICS = ("HR@10", "NDCG@10")
_NOT_FINISHED = 75  # the exit status for "try again" (sysexits.h)
_QUICK = EvaluateConfig(lists=False, resamples=0)


@dataclass(frozen=True)
class Tier:
    """A model and how it is trained: the best epoch on validation, without training again on validation data."""

    model: NextItemConfig
    train: TrainConfig

    @property
    def settings(self) -> str:
        """All of it as JSON."""
        return json.dumps({"parameters": asdict(self.model), "train": asdict(self.train)})


@dataclass(frozen=True)
class Call:
    """One call of the script: what to train, where to keep it, how long, and whether the test part is looked at in the end."""

    name: str
    tier: Tier
    out: Path
    minutes: float
    test: bool = True


# Settings of the CPU recipes, wider and with the long history. They are not tuned: no GPU could be had. Try others with --set
# and --validation-only, and write the best ones here.
_TRAIN = TrainConfig(
    epochs=200,
    patience=8,
    batch_size=128,
    learning_rate=0.001,
    average_epochs=1,
    refit=False,
    device="cuda",
    precision="bfloat16",
)
TIERS = {
    "lstm": Tier(
        LSTMConfig(width=256, length=200, dropout=0.25, hidden=512), replace(_TRAIN, batch_size=64, learning_rate=0.002)
    ),
    "sasrec": Tier(SASRecConfig(width=128, length=200, dropout=0.2), _TRAIN),
    "ligr": Tier(LiGRConfig(width=256, length=200, dropout=0.3, heads=4), _TRAIN),
}


class OutOfTime(Exception):  # noqa: N818 - it ends a call, it is no error
    """The minutes of this call are over; what was learned is on disk."""


def main(about: str | None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the carried data set")
    parser.add_argument("--model", choices=TIERS, required=True)
    parser.add_argument("--out", type=Path, required=True, help="checkpoints, weights and result; one folder a run")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=9.0, help="stop after the epoch in which so much time is over")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="such as parameters.width=512 train.epochs=50")
    parser.add_argument("--validation-only", action="store_true", help="for choosing settings: the test part is not looked at")
    arguments = parser.parse_args()
    try:
        tier = with_settings(TIERS[arguments.model], [*arguments.set, f"train.seed={arguments.seed}"])
        call = Call(arguments.model, tier, arguments.out, arguments.minutes, test=not arguments.validation_only)
        print(json.dumps(run(read_carried(arguments.data), call)))
    except OutOfTime as stopped:
        print(f"not finished: {stopped}; give the same command again", file=sys.stderr)
        return _NOT_FINISHED
    except AisleError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def with_settings(tier: Tier, settings: Sequence[str]) -> Tier:
    """Return a tier with some settings changed, "parameters.key=value" or "train.key=value" each.

    Raises:
        AisleError: E401 for a key that there is not.
    """
    for setting in settings:
        path, _, text = setting.partition("=")
        section, _, key = path.partition(".")
        parts = {"parameters": asdict(tier.model), "train": asdict(tier.train)}
        if not text or key not in parts.get(section, {}):
            raise AisleError(
                f"--set {setting!r} changes nothing", hint="write parameters.width=512 or train.epochs=50", code="E401"
            )
        changed = {key: _value(text)}
        if section == "parameters":
            tier = replace(tier, model=replace(tier.model, **changed))
        else:
            tier = replace(tier, train=replace(tier.train, **changed))
    return tier


def _value(text: str) -> Any:
    """Return a number or true/false where it is one, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def run(carried: Carried, call: Call) -> dict[str, Any]:
    """Train one model of the tier, look at the test part once, and write the result; a finished run is only read.

    Raises:
        OutOfTime: after the epoch in which the minutes are over.
        AisleError: E506 when another run lies in the folder, and those of training.
    """
    finished = call.out / RESULT_NAME
    if finished.exists():
        found: dict[str, Any] = json.loads(finished.read_text())
        check_identity(call.out, {"settings": found["settings"]}, {"settings": call.tier.settings})
        return found
    trained = _train(carried, call)
    result = {
        "model": call.name,
        "dataset": carried.about["dataset"],
        "validation NDCG@10": trained.best_value,
        "best_epoch": trained.best_epoch,
        "epochs": len(trained.records),
        "seconds": round(trained.seconds, 1),
        "device": trained.device,
        "torch": torch.__version__,
        "seed": call.tier.train.seed,
        "settings": call.tier.settings,
    }
    if call.test:
        measured = evaluate(trained.model, carried.test, replace(_QUICK, resamples=1000), _facts(carried))
        result |= {metric: round(measured.means[metric], 5) for metric in METRICS}
        result |= {f"{metric} interval": [round(end, 5) for end in measured.intervals[metric]] for metric in METRICS}
        np.savez(call.out / MODEL_NAME, **trained.model.state())  # type: ignore[arg-type]
        finished.write_text(json.dumps(result) + "\n")
    return result


def _facts(carried: Carried) -> Facts:
    return Facts.of(carried.train, carried.n_items)


def _train(carried: Carried, call: Call) -> Trained[NextItem]:
    """Choose the epoch on validation; every epoch is kept, so that the next call goes on."""
    end_s = time.monotonic() + 60 * call.minutes
    model, config, facts = call.tier.model, call.tier.train, _facts(carried)

    def build(part: Histories) -> NextItem:
        trained_V = np.bincount(part.item, minlength=carried.n_items) > 0
        return NextItem.untrained(model, trained_V, seed=config.seed)

    def batches(part: Histories, config: TrainConfig, device: torch.device) -> Batches:
        return Windows(part, config.batch_size, model.length, seed=config.seed, device=device)

    def validate(scorer: Scorer) -> float:
        return evaluate(scorer, carried.validation, _QUICK, facts).means["NDCG@10"]

    def on_epoch(record: EpochRecord) -> None:
        print(json.dumps(record.as_dict()), file=sys.stderr, flush=True)
        if time.monotonic() > end_s:
            raise OutOfTime(f"{record.epoch} epochs are done after {call.minutes:g} minutes")

    identity = {"dataset": carried.about["content_hash"], "parameters": json.dumps(asdict(model))}
    store = NumpyCheckpoints(call.out / "checkpoints", identity)
    watch = Watch(validate, on_epoch)
    return train_model(build, carried.train, None, config, batches=batches, watch=watch, checkpoints=store)
