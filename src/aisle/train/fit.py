"""Train a model for use: choose the epochs on validation, then train once more on everything that may be learned from."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import torch

from aisle.features.histories import Histories
from aisle.train.config import TrainConfig
from aisle.train.device import check_precision, describe_device, pick_device
from aisle.train.epoch_state import CheckpointStore
from aisle.train.loop import Batches, FitResult, fit
from aisle.train.sampler import PairSampler
from aisle.train.watch import EpochRecord, Watch

ModelT = TypeVar("ModelT", bound=torch.nn.Module)
PartT = TypeVar("PartT")


@dataclass(frozen=True)
class Trained(Generic[ModelT]):
    """A trained model and how it came about.

    Attributes:
        model: ready to score, on the device it was trained on.
        records: every epoch of every phase, those before a resume included.
        best_epoch: the epochs that validation chose, or all where there was none.
        best_value: the validation metric of that epoch, None where there was none.
        left_out: training events that no batch can use, see `train.loop.Batches`.
        device: in words.
        seconds: of this call, and of the epochs that were done before a resume.
    """

    model: ModelT
    records: list[EpochRecord]
    best_epoch: int
    best_value: float | None
    left_out: int
    device: str
    seconds: float


def pair_batches(part: Histories, config: TrainConfig, device: torch.device) -> Batches:
    """Draw negatives for every positive event: the batches of models over pairs."""
    return PairSampler(part, config.batch_size, config.negatives, seed=config.seed, device=device)


def train_model(  # noqa: PLR0913 - one call, every part of it named
    build: Callable[[PartT], ModelT],
    train: PartT,
    refit: PartT | None,
    config: TrainConfig,
    *,
    batches: Callable[[PartT, TrainConfig, torch.device], Batches],
    watch: Watch | None = None,
    checkpoints: CheckpointStore | None = None,
) -> Trained[ModelT]:
    """Train in one or two phases.

    The first, "choose", trains on `train` until validation stops getting better. The second, "refit", starts from scratch
    on `refit` for as many epochs as were best. It is left out when `refit` is None, `config.refit` is false, or nothing
    validates.

    Args:
        build: makes an untrained model from the part it is to be trained on.
        train: what is learned from, such as one history a user; `build` and `batches` take it.
        refit: the same with the validation answers added.
        config: how to train.
        batches: makes the batches of a part, such as `pair_batches`.
        watch: who validates and who is told.
        checkpoints: where to write one after each epoch, and whether to go on from there.

    Raises:
        AisleError: E502, E503 when the device or precision cannot be had, E504 when there is nothing to learn from, and
            those of `train.loop.fit`.
    """
    start_s, watch = time.perf_counter(), watch or Watch()
    device = pick_device(config.device)
    check_precision(config.precision, device)
    two_phases = refit is not None and config.refit and watch.validate is not None
    if checkpoints is not None and not checkpoints.resume:
        checkpoints.clear()

    def run_phase(name: str, part: PartT, config: TrainConfig, watch: Watch) -> tuple[ModelT, Batches, FitResult]:
        with torch.random.fork_rng(devices=[]):  # torch fills new tables at random before the model's own seed does
            model = build(part).to(device)
        drawn = batches(part, config, device)
        return model, drawn, fit(model, drawn, config, watch=watch, checkpoints=checkpoints, phase=name)

    with _threads(config.threads):
        model, drawn, chosen = run_phase("choose", train, config, watch)
        records, earlier_s = chosen.records, chosen.earlier_s
        if two_phases and refit is not None:
            again = replace(config, epochs=chosen.best_epoch)
            model, drawn, second = run_phase("refit", refit, again, replace(watch, validate=None))
            records, earlier_s = [*records, *second.records], earlier_s + second.earlier_s
        seconds = time.perf_counter() - start_s + earlier_s
        words = describe_device(device)
    return Trained(model, records, chosen.best_epoch, chosen.best_value, drawn.left_out, words, seconds)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Use so many CPU threads, and put the number back."""
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
