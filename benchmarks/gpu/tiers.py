"""The three models of the GPU tier, their settings, and the way from a carried data set to a line of results."""

from __future__ import annotations

import argparse
import json
import sys
import time
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
    """A model and how it is trained."""

    model: NextItemConfig
    train: TrainConfig


_TRAIN = TrainConfig(epochs=300, batch_size=128, learning_rate=0.001, patience=15, refit=False, device="cuda")
TIERS = {
    "lstm": Tier(LSTMConfig(width=256, length=200, dropout=0.3), _TRAIN),
    "sasrec": Tier(SASRecConfig(width=128, length=200, dropout=0.3), _TRAIN),
    "ligr": Tier(LiGRConfig(width=128, length=200, dropout=0.3), _TRAIN),
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
    parser.add_argument("--epochs", type=int, help="the most; by default as the tier says")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    arguments = parser.parse_args()
    tier = TIERS[arguments.model]
    config = replace(tier.train, seed=arguments.seed, device=arguments.device, epochs=arguments.epochs or tier.train.epochs)
    try:
        carried = read_carried(arguments.data)
        print(json.dumps(run(carried, arguments.model, config, arguments.out, minutes=arguments.minutes)))
    except OutOfTime as stopped:
        print(f"not finished: {stopped}; give the same command again", file=sys.stderr)
        return _NOT_FINISHED
    except AisleError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def run(carried: Carried, name: str, config: TrainConfig, out: Path, *, minutes: float) -> dict[str, Any]:
    """Train one model of the tier, look at the test part once, and write the result; a finished run is only read.

    Raises:
        OutOfTime: after the epoch in which the minutes are over.
    """
    if (out / RESULT_NAME).exists():
        found: dict[str, Any] = json.loads((out / RESULT_NAME).read_text())
        return found
    tier = TIERS[name]
    trained = _train(carried, tier.model, config, out, minutes)
    facts = Facts.of(carried.train, carried.n_items)
    measured = evaluate(trained.model, carried.test, replace(_QUICK, resamples=1000), facts)
    result = {
        "model": name,
        "dataset": carried.about["dataset"],
        **{metric: round(measured.means[metric], 5) for metric in METRICS},
        "intervals": {metric: [round(end, 5) for end in measured.intervals[metric]] for metric in METRICS},
        "validation NDCG@10": trained.best_value,
        "best_epoch": trained.best_epoch,
        "epochs": len(trained.records),
        "seconds": round(trained.seconds, 1),
        "device": trained.device,
        "torch": torch.__version__,
        "seed": config.seed,
        "parameters": asdict(tier.model),
        "train": asdict(config),
    }
    np.savez(out / MODEL_NAME, **trained.model.state())  # type: ignore[arg-type]
    (out / RESULT_NAME).write_text(json.dumps(result) + "\n")
    return result


def _train(carried: Carried, model: NextItemConfig, config: TrainConfig, out: Path, minutes: float) -> Trained[NextItem]:
    """Choose the epoch on validation; every epoch is kept, so that the next call goes on."""
    end_s = time.monotonic() + 60 * minutes
    facts = Facts.of(carried.train, carried.n_items)

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
            raise OutOfTime(f"{record.epoch} epochs are done after {minutes:g} minutes")

    identity = {"dataset": carried.about["content_hash"], "parameters": json.dumps(asdict(model))}
    store = NumpyCheckpoints(out / "checkpoints", identity)
    watch = Watch(validate, on_epoch)
    return train_model(build, carried.train, carried.refit, config, batches=batches, watch=watch, checkpoints=store)
