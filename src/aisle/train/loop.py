"""The one training loop: epochs, validation, early stopping, a checkpoint an epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from aisle.errors import AisleError
from aisle.recommend.scorer import Scorer
from aisle.train.averaging import WeightAverage
from aisle.train.config import TrainConfig
from aisle.train.early_stopping import EarlyStopping
from aisle.train.epoch_state import Checkpoint, CheckpointStore, load_optimiser
from aisle.train.seeds import stream_seed
from aisle.train.step import Stepper
from aisle.train.watch import EpochRecord, Progress, Watch

_PROGRESS_EVERY_S = 0.2


class Batches(Protocol):
    """Where batches come from; see `train.sampler.PairSampler`."""

    left_out: int  # training events that no batch can use, such as those of users who have every item

    @property
    def samples(self) -> int:
        """Rows of all batches of an epoch, such as positive events or histories."""

    @property
    def steps(self) -> int:
        """Batches an epoch."""

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        """Yield what the module's `loss` takes; the same for the same epoch."""


@dataclass(frozen=True)
class FitResult:
    """How a phase ended. The module holds the weights of `best_epoch`, or of the last epoch where nothing validated.

    `earlier_s` is the time of the epochs that were done before a resume.
    """

    records: list[EpochRecord]
    best_epoch: int
    best_value: float | None
    earlier_s: float


def fit(
    module: torch.nn.Module,
    batches: Batches,
    config: TrainConfig,
    *,
    watch: Watch | None = None,
    checkpoints: CheckpointStore | None = None,
    phase: str = "choose",
) -> FitResult:
    """Train a module where it is, and leave the best weights in it.

    Args:
        module: has `loss(*batch)` and, where there is validation, is a `Scorer`.
        batches: where the batches come from.
        config: how to train.
        watch: who validates and who is told.
        checkpoints: where to write one after each epoch, and whether to go on from there; None keeps nothing on disk.
        phase: names the phase to those who watch, and its folder of checkpoints.

    Raises:
        AisleError: E505, E506 when a checkpoint cannot be used, E507 when the loss or a gradient is not finite, E508 when
            validation returns no number.
    """
    loop = _Loop(module, batches, config, watch or Watch(), _of_phase(checkpoints, config, phase), phase)
    with _own_randomness(loop.device):
        loop.recover()
        while loop.stopping.last_epoch < config.epochs and not loop.stopping.stop:
            loop.run_epoch(loop.stopping.last_epoch + 1)
    if loop.watch.validate is not None:
        module.load_state_dict(loop.best)
    else:
        loop.average.keep()
    module.eval()
    value = loop.stopping.best_value if loop.watch.validate is not None else None
    earlier_s = sum(record.seconds for record in loop.records[: loop.started_epoch])
    return FitResult(loop.records, loop.stopping.best_epoch, value, earlier_s)


@dataclass
class _Loop:
    module: torch.nn.Module
    batches: Batches
    config: TrainConfig
    watch: Watch
    checkpoints: CheckpointStore | None
    phase: str
    records: list[EpochRecord] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.device = next(self.module.parameters()).device
        self.stepper = Stepper(self.module, self.config, self.device)
        self.average = WeightAverage(self.module, self.config.average_epochs * self.batches.steps)
        self.stopping = EarlyStopping(self.config.patience)
        self.started_s = time.perf_counter()
        self.started_epoch = 0

    def run_epoch(self, epoch: int) -> None:
        """Train one epoch, validate, write the checkpoint, then tell."""
        start_s = time.perf_counter()
        torch.manual_seed(stream_seed(self.config.seed, epoch, "dropout"))
        loss = self._train(epoch, start_s)
        train_s = time.perf_counter() - start_s
        with self.average.shown():
            value = self._validate(epoch)
            best = self.stopping.improves(epoch, value if value is not None else float(epoch))
            if best and value is not None:
                self.best = {name: tensor.detach().clone() for name, tensor in self.module.state_dict().items()}
        seconds = time.perf_counter() - start_s
        self.records.append(EpochRecord(self.phase, epoch, loss, value, best, self.batches.samples / train_s, seconds))
        self._save(best=best and value is not None)
        self.watch.on_epoch(self.records[-1])

    def recover(self) -> None:
        """Go on from the last checkpoint when that is wanted and there is one."""
        if self.checkpoints is None:
            return
        if not self.checkpoints.resume:
            self.checkpoints.clear()
        self.checkpoints.sweep()
        last = self.checkpoints.load("last")
        if last is None:
            return
        if last.epoch > self.config.epochs:
            raise AisleError(
                f"cannot resume from {self.checkpoints.folder}: {last.epoch} epochs are done there and train.epochs is "
                f"{self.config.epochs} now",
                hint=f"set epochs to {last.epoch} or more, or train again without --resume",
                code="E506",
            )
        self.module.load_state_dict(last.model)
        self.average.load(last.average)
        load_optimiser(self.stepper.optimiser, last.optimiser)
        self.stepper.scaler.load_state_dict(last.facts["scaler"])
        self.records = [EpochRecord(**record) for record in last.facts["records"]]
        self.stopping = replace(self.stopping, **last.facts["stopping"])
        self.started_epoch = last.epoch
        if self.watch.validate is not None:
            self.best = self._best_weights(self.checkpoints, last)

    def _best_weights(self, checkpoints: CheckpointStore, last: Checkpoint) -> dict[str, Tensor]:
        """Return the weights of the best epoch; `best` is written after `last`, so a kill may have come between."""
        if self.stopping.best_epoch == last.epoch:
            checkpoints.save("best", Checkpoint(last.epoch, {**last.model, **last.average}))
        best = checkpoints.load("best")
        if best is None or best.epoch != self.stopping.best_epoch:
            raise AisleError(
                f"checkpoint best.safetensors of epoch {self.stopping.best_epoch} is missing in {checkpoints.folder}",
                hint="train again without --resume",
                code="E505",
            )
        return {name: tensor.to(self.device) for name, tensor in best.model.items()}

    def _train(self, epoch: int, start_s: float) -> float:
        """Take every step of an epoch; return the mean loss."""
        self.module.train()
        total, seen, told_s = 0.0, 0, start_s
        for step, batch in enumerate(self.batches.epoch(epoch), 1):
            total += self.stepper.take(batch, f"epoch {epoch}, step {step} of {self.batches.steps}") * len(batch[0])
            seen += len(batch[0])
            self.average.update((epoch - 1) * self.batches.steps + step)
            now_s = time.perf_counter()
            if now_s - told_s >= _PROGRESS_EVERY_S or step == self.batches.steps:
                told_s = now_s
                self._tell(epoch, step, total / seen, seen / (now_s - start_s))
        self.stepper.check_weights(f"end of epoch {epoch}")
        return total / seen

    def _tell(self, epoch: int, step: int, loss: float, samples_per_s: float) -> None:
        done = epoch - 1 + step / self.batches.steps
        pace_s = (time.perf_counter() - self.started_s) / (done - self.started_epoch)
        eta_s = pace_s * (self.config.epochs - done)
        at = (self.phase, epoch, self.config.epochs, step, self.batches.steps)
        self.watch.on_progress(Progress(*at, loss, samples_per_s, eta_s))

    def _validate(self, epoch: int) -> float | None:
        if self.watch.validate is None:
            return None
        self.module.eval()
        value = float(self.watch.validate(_as_scorer(self.module)))
        if math.isnan(value):
            raise AisleError(
                f"validation returned {value} after epoch {epoch}; expected a number",
                hint="look at the split: are there validation cases?",
                code="E508",
            )
        return value

    def _save(self, *, best: bool) -> None:
        if self.checkpoints is None:
            return
        stopping = {key: value for key, value in asdict(self.stopping).items() if key != "patience"}
        facts: dict[str, Any] = {
            "records": [record.as_dict() for record in self.records],
            "stopping": stopping,
            "scaler": self.stepper.scaler.state_dict(),
        }
        epoch, optimiser = self.stopping.last_epoch, self.stepper.optimiser.state_dict()["state"]
        self.checkpoints.save("last", Checkpoint(epoch, self.module.state_dict(), optimiser, self.average.average, facts))
        if best:
            self.checkpoints.save("best", Checkpoint(epoch, self.best))


def _of_phase(checkpoints: CheckpointStore | None, config: TrainConfig, phase: str) -> CheckpointStore | None:
    """Return the phase's own checkpoints; every setting but the number of epochs belongs to a run's identity."""
    if checkpoints is None:
        return None
    settings = {f"train.{key}": str(value) for key, value in asdict(config).items() if key != "epochs"}
    return checkpoints.phase(phase, settings)


@contextmanager
def _own_randomness(device: torch.device) -> Iterator[None]:
    """Leave the caller's generators and determinism as they were."""
    memory: Any = torch.utils.deterministic
    before, fill_before = torch.are_deterministic_algorithms_enabled(), memory.fill_uninitialized_memory
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.use_deterministic_algorithms(True)
        memory.fill_uninitialized_memory = False  # a pass over every new tensor, for reading garbage only
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)
            memory.fill_uninitialized_memory = fill_before


def _as_scorer(module: torch.nn.Module) -> Scorer:
    scorer: Any = module
    return scorer  # type: ignore[no-any-return]
