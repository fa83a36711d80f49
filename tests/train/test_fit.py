from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from aisle.train import loop
from aisle.train.config import TrainConfig
from aisle.train.fit import pair_batches, train_model
from aisle.train.sampler import PairSampler
from aisle.train.watch import Progress, Watch
from tests.train.worlds import CONFIG, Curve, build_ncf, run, same_bits, small_part

REFIT = small_part(seed=2)
CURVE = [0.1, 0.2, 0.5, 0.3, 0.4]


def _curve(epoch: int = 0) -> Watch:
    return Watch(Curve(CURVE[epoch:]))


def test_refit_trains_from_scratch_on_everything_for_the_chosen_epochs() -> None:
    result = run(watch=_curve(), refit=REFIT)
    assert (result.best_epoch, result.best_value) == (3, 0.5)
    assert [(record.phase, record.epoch) for record in result.records] == [
        *(("choose", epoch) for epoch in range(1, 6)),
        *(("refit", epoch) for epoch in range(1, 4)),
    ]
    plain = train_model(build_ncf, REFIT, None, replace(CONFIG, epochs=3), batches=pair_batches)
    assert same_bits(result.model, plain.model)


@pytest.mark.parametrize(("config", "watch"), [(replace(CONFIG, refit=False), _curve()), (CONFIG, Watch())])
def test_without_refit_or_validation_there_is_one_phase(config: TrainConfig, watch: Watch) -> None:
    assert {record.phase for record in run(config=config, watch=watch, refit=REFIT).records} == {"choose"}


@pytest.mark.parametrize(("phase", "epoch"), [("choose", 4), ("refit", 1), ("refit", 3)])
def test_a_run_cut_in_either_phase_resumes_to_the_same_bits(
    phase: str, epoch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(watch=_curve(), refit=REFIT)
    monkeypatch.setattr(loop, "_PROGRESS_EVERY_S", 0)

    def stop(progress: Progress) -> None:
        if (progress.phase, progress.epoch, progress.step) == (phase, epoch, 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(watch=replace(_curve(), on_progress=stop), refit=REFIT, folder=tmp_path)
    resumed = run(watch=_curve(epoch - 1 if phase == "choose" else 5), refit=REFIT, folder=tmp_path, resume=True)
    assert same_bits(whole.model, resumed.model)
    assert [(r.phase, r.epoch, r.loss) for r in resumed.records] == [(r.phase, r.epoch, r.loss) for r in whole.records]


def test_it_says_where_it_trained_and_what_it_left_out() -> None:
    result = run(config=replace(CONFIG, epochs=1))
    assert result.device.startswith("cpu (1 thread")
    assert result.left_out == PairSampler(small_part(), 8, 1, seed=1, device=torch.device("cpu")).left_out == 0
    assert result.seconds > 0


def test_the_number_of_threads_is_put_back() -> None:
    before = torch.get_num_threads()
    run(config=replace(CONFIG, epochs=1, threads=1))
    assert torch.get_num_threads() == before


def test_a_trained_model_is_ready_to_score() -> None:
    assert not run(config=replace(CONFIG, epochs=1)).model.training
