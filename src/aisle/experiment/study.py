"""Which values to try next, and which trial to stop early: Optuna, with its journal in the search's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from aisle.experiment.search import FINISHED, JOURNAL_NAME, PRUNED, REFUSED, Trial
from aisle.experiment.space import Choices, Space
from aisle.train.seeds import stream_seed

_NAME = "aisle"
_STARTUP_TRIALS = 5  # finished before the median stops anything
_SPARED_EPOCHS = 2  # of every trial: a small learning rate is behind at first


class Study:
    """A search that can be left at any moment: each change is a line of the journal.

    The sampler of each trial is seeded with the number of trials before it. It sees nothing but those, so a search that was
    killed goes on with the trials that it would have had.

    Args:
        folder: of the search.
        space: what may be tried.
        seed: fixes the trials, given how good those before were.
    """

    def __init__(self, folder: Path, space: Space, seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / JOURNAL_NAME)))
        pruner = optuna.pruners.MedianPruner(n_startup_trials=_STARTUP_TRIALS, n_warmup_steps=_SPARED_EPOCHS + 1)
        self._study = optuna.create_study(
            study_name=_NAME, direction="maximize", storage=storage, load_if_exists=True, pruner=pruner
        )
        self._space, self._seed = space, seed
        for killed in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._study.tell(killed.number, state=TrialState.FAIL)

    def trials(self) -> tuple[Trial, ...]:
        """Return the trials that came to an end, in order; one that was killed is none of them and is done again."""
        ended = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        return tuple(self._trial(place, trial) for place, trial in enumerate(ended, 1))

    def ask(self, first: Mapping[str, Any] | None) -> Asked:
        """Return the next trial.

        Args:
            first: values to begin a search with; None begins as the sampler does.
        """
        place = len(self.trials())
        waiting = self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        if place == 0 and first is not None and not waiting:
            self._study.enqueue_trial({key: self._coded(key, value) for key, value in first.items()})
        self._study.sampler = optuna.samplers.TPESampler(seed=stream_seed(self._seed, place, "tune") % 2**32)
        trial = self._study.ask()
        return Asked(self._study, trial, place + 1, {key: self._suggest(trial, key) for key in self._space})

    def _suggest(self, trial: optuna.Trial, key: str) -> Any:
        part = self._space[key]
        if isinstance(part, Choices):
            return json.loads(trial.suggest_categorical(key, [json.dumps(choice) for choice in part.choices]))
        if part.whole:
            return trial.suggest_int(key, int(part.low), int(part.high), log=part.log)
        return trial.suggest_float(key, part.low, part.high, log=part.log)

    def _coded(self, key: str, value: Any) -> Any:
        """Return a value as Optuna keeps it: choices as JSON, because it keeps no lists."""
        return json.dumps(value) if isinstance(self._space[key], Choices) else value

    def _trial(self, place: int, trial: optuna.trial.FrozenTrial) -> Trial:
        said, values = trial.user_attrs, dict(trial.params)
        for key, part in self._space.items():
            if isinstance(part, Choices):
                values[key] = json.loads(values[key])
        return Trial(place, values, said["state"], said["metric"], said["best_epoch"], said["seconds"], said["reason"])


class Asked:
    """One trial while it runs.

    Attributes:
        number: from 1.
        values: "section.key" -> value to try.
    """

    def __init__(self, study: optuna.Study, trial: optuna.Trial, number: int, values: dict[str, Any]) -> None:
        self._study, self._trial = study, trial
        self.number, self.values = number, values

    def hopeless(self, epoch: int, metric: float) -> bool:
        """Take in an epoch's metric and say whether the trial is worse than the median trial at that epoch."""
        self._trial.report(metric, epoch)
        return self._trial.should_prune()

    def end(self, trial: Trial) -> None:
        """Keep how the trial ended; a line of the journal."""
        for name in ("state", "metric", "best_epoch", "seconds", "reason"):
            self._trial.set_user_attr(name, getattr(trial, name))
        if trial.state == FINISHED:
            self._study.tell(self._trial, trial.metric)
        else:
            assert trial.state in (PRUNED, REFUSED)
            self._study.tell(self._trial, state=TrialState.PRUNED)

    def forget(self) -> None:
        """Mark a trial that was interrupted, so that it is done again."""
        self._study.tell(self._trial, state=TrialState.FAIL)
