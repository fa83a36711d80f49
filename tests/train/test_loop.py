"""The promises of training: what is kept, what is repeated, what a kill can cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from aisle.errors import AisleError
from aisle.models.ncf import NCF
from aisle.storage import atomic
from aisle.train import checkpoint as checkpoint_file
from aisle.train import loop
from aisle.train.watch import EpochRecord, Progress, Watch
from tests.train.worlds import BUILD, CONFIG, Curve, mean_score, run, same_bits, weights

VALIDATED = Watch(validate=mean_score)


class Stop(BaseException):
    """Stands for a kill: nothing may catch it."""


@pytest.fixture(params=BUILD)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _stop_at(phase: str, epoch: int, step: int) -> Callable[[Progress], None]:
    def stop(progress: Progress) -> None:
        if (progress.phase, progress.epoch, progress.step) == (phase, epoch, step):
            raise KeyboardInterrupt

    return stop


def test_two_runs_of_one_config_are_bit_identical(name: str) -> None:
    first, second = run(name, watch=VALIDATED), run(name, watch=VALIDATED)
    assert same_bits(first.model, second.model)
    assert [(r.loss, r.validation) for r in first.records] == [(r.loss, r.validation) for r in second.records]
    assert not same_bits(first.model, run(name, replace(CONFIG, seed=8), VALIDATED).model)


def test_the_callers_random_numbers_are_left_alone(name: str) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run(name)
    assert torch.equal(torch.rand(3), expected)
    assert not torch.are_deterministic_algorithms_enabled()


def test_training_does_not_depend_on_the_callers_random_numbers_or_on_validation(name: str) -> None:
    def noisy(_: object) -> float:
        return torch.rand(50).sum().item()

    patient = replace(CONFIG, refit=False)
    torch.manual_seed(1)
    first = run(name, patient)
    torch.manual_seed(2)
    losses = [record.loss for record in run(name, patient, Watch(noisy)).records]
    assert losses == [record.loss for record in first.records]


@pytest.mark.parametrize(("epoch", "step"), [(1, 3), (2, 1), (4, 6)])
def test_an_interrupted_run_resumes_to_the_same_bits(
    name: str, epoch: int, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(name, watch=VALIDATED, folder=tmp_path / "whole")
    monkeypatch.setattr(loop, "_PROGRESS_EVERY_S", 0)
    stopping = replace(VALIDATED, on_progress=_stop_at("choose", epoch, step))
    with pytest.raises(KeyboardInterrupt):
        run(name, watch=stopping, folder=tmp_path / "cut")
    resumed = run(name, watch=VALIDATED, folder=tmp_path / "cut", resume=True)
    assert same_bits(whole.model, resumed.model)
    assert (whole.best_epoch, whole.best_value) == (resumed.best_epoch, resumed.best_value)
    assert [(r.epoch, r.loss, r.validation, r.best) for r in whole.records] == [
        (r.epoch, r.loss, r.validation, r.best) for r in resumed.records
    ]


@pytest.mark.parametrize("write", range(1, 9))
@pytest.mark.parametrize("whole_file", [False, True])
def test_a_kill_while_writing_any_checkpoint_costs_at_most_that_epoch(
    write: int, whole_file: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    curve = [0.1, 0.3, 0.2, 0.4, 0.1]
    whole = run(watch=Watch(Curve(list(curve))), folder=tmp_path / "whole")
    writes = [0]

    def killed(path: Path, content: bytes) -> None:
        writes[0] += 1
        if whole_file or writes[0] < write:
            atomic.write_atomic(path, content)
        if writes[0] == write:
            path.with_name(f".{path.name}.partial").write_bytes(content[:100])
            raise Stop

    finished: list[int] = []
    monkeypatch.setattr(checkpoint_file, "write_atomic", killed)
    with pytest.raises(Stop):
        run(watch=Watch(Curve(list(curve)), lambda record: finished.append(record.epoch)), folder=tmp_path / "cut")
    monkeypatch.undo()
    again: list[int] = []
    remaining = Curve(curve[_last_epoch(tmp_path / "cut") :])
    resumed = run(watch=Watch(remaining, lambda record: again.append(record.epoch)), folder=tmp_path / "cut", resume=True)
    assert same_bits(whole.model, resumed.model)
    assert resumed.best_epoch == 4
    assert len(again) + len(finished) >= CONFIG.epochs - 1
    assert not set(finished) & set(again)
    assert {path.name for path in (tmp_path / "cut").rglob("*.*")} == {"last.safetensors", "best.safetensors"}


def _last_epoch(folder: Path) -> int:
    path = folder / "choose"
    last = replace(checkpoint_file.Checkpoints(path), identity=_identity()).load("last")
    return last.epoch if last else 0


def _identity() -> dict[str, str]:
    of_phase = loop._of_phase(checkpoint_file.Checkpoints(Path(), {"dataset": "abc"}), CONFIG, "choose")
    assert isinstance(of_phase, checkpoint_file.Checkpoints)
    return dict(of_phase.identity)


def test_more_epochs_may_be_asked_for_on_resume(name: str, tmp_path: Path) -> None:
    run(name, replace(CONFIG, epochs=2), folder=tmp_path / "run")
    longer = run(name, CONFIG, folder=tmp_path / "run", resume=True)
    assert same_bits(longer.model, run(name, CONFIG).model)


def test_fewer_epochs_than_are_done_are_refused_on_resume(tmp_path: Path) -> None:
    run(config=replace(CONFIG, epochs=3), folder=tmp_path / "run")
    with pytest.raises(AisleError, match=r"E506") as error:
        run(config=replace(CONFIG, epochs=2), folder=tmp_path / "run", resume=True)
    assert "3 epochs are done there and train.epochs is 2 now" in str(error.value)


@pytest.mark.parametrize(("key", "value"), [("learning_rate", 0.01), ("batch_size", 16), ("seed", 8), ("negatives", 3)])
def test_any_other_setting_changed_on_resume_is_refused_by_name(key: str, value: float, tmp_path: Path) -> None:
    run(config=replace(CONFIG, epochs=1), folder=tmp_path / "run")
    with pytest.raises(AisleError, match=rf"train\.{key} was .* there and is {value} now"):
        run(config=replace(CONFIG, **{key: value}), folder=tmp_path / "run", resume=True)  # type: ignore[arg-type]


def test_a_run_that_is_complete_resumes_to_itself(name: str, tmp_path: Path) -> None:
    whole = run(name, watch=VALIDATED, folder=tmp_path / "run")
    told: list[EpochRecord] = []
    again = run(name, watch=replace(VALIDATED, on_epoch=told.append), folder=tmp_path / "run", resume=True)
    assert same_bits(whole.model, again.model)
    assert told == []
    assert again.records == whole.records


def test_without_resume_old_checkpoints_are_removed(tmp_path: Path) -> None:
    run(watch=VALIDATED, folder=tmp_path / "run")
    run(folder=tmp_path / "run", config=replace(CONFIG, epochs=1))
    assert sorted(path.name for path in (tmp_path / "run").rglob("*.safetensors")) == ["last.safetensors"]


def test_a_missing_best_checkpoint_is_a_clear_error(tmp_path: Path) -> None:
    run(watch=Watch(Curve([0.2, 0.1])), folder=tmp_path / "run", config=replace(CONFIG, epochs=2))
    (tmp_path / "run" / "choose" / "best.safetensors").unlink()
    with pytest.raises(AisleError, match="E505"):
        run(watch=Watch(Curve([])), folder=tmp_path / "run", config=replace(CONFIG, epochs=2), resume=True)


def test_the_best_weights_are_kept_not_the_last() -> None:
    seen = []

    def validate(model: object) -> float:
        assert isinstance(model, torch.nn.Module)
        seen.append(weights(model))
        return [0.1, 0.5, 0.3, 0.2, 0.1][len(seen) - 1]

    result = run(watch=Watch(validate))
    kept = weights(result.model)
    assert all(np.array_equal(kept[key], seen[1][key]) for key in kept)
    assert not np.array_equal(kept["item_gmf.weight"], seen[4]["item_gmf.weight"])
    assert [record.best for record in result.records] == [True, True, False, False, False]


def test_training_stops_when_patience_runs_out() -> None:
    result = run(config=replace(CONFIG, patience=2), watch=Watch(Curve([0.5, 0.4, 0.3, 0.9])))
    assert [record.epoch for record in result.records] == [1, 2, 3]
    assert (result.best_epoch, result.best_value) == (1, 0.5)


def test_a_nan_loss_leaves_the_checkpoint_of_the_last_good_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = run(config=replace(CONFIG, epochs=2))
    plain, calls = NCF.loss, [0]

    def poisoned(self: NCF, user_B: Tensor, item_BN: Tensor) -> Tensor:
        calls[0] += 1
        # 180 events in batches of 32 are 6 steps an epoch: this is the third step of epoch 3.
        return plain(self, user_B, item_BN) * (float("nan") if calls[0] == 2 * 6 + 3 else 1)

    monkeypatch.setattr(NCF, "loss", poisoned)
    with pytest.raises(AisleError, match="loss is nan at epoch 3, step 3 of 6"):
        run(folder=tmp_path / "run")
    monkeypatch.undo()
    last = run(config=replace(CONFIG, epochs=2), folder=tmp_path / "run", resume=True)
    assert same_bits(last.model, good.model)


def test_a_validation_that_is_no_number_is_an_error() -> None:
    with pytest.raises(AisleError, match="E508"):
        run(watch=Watch(Curve([float("nan")])))


def test_progress_reaches_the_end_and_its_numbers_make_sense(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_PROGRESS_EVERY_S", 0)
    told: list[Progress] = []
    run(watch=Watch(on_progress=told.append))
    assert [(p.epoch, p.step) for p in told] == [(epoch, step) for epoch in range(1, 6) for step in range(1, 7)]
    assert all(p.samples_per_s > 0 and p.eta_s >= 0 and np.isfinite(p.loss) for p in told)
    assert told[-1].eta_s == 0
    assert {(p.phase, p.epochs, p.steps) for p in told} == {("choose", 5, 6)}


def test_progress_is_not_told_more_often_than_anyone_can_read() -> None:
    told: list[Progress] = []
    run(watch=Watch(on_progress=told.append))
    assert len(told) < 5 * 6


def test_an_epochs_record_is_told_after_its_checkpoint_is_on_disk(tmp_path: Path) -> None:
    on_disk: list[tuple[int, int]] = []
    run(watch=Watch(on_epoch=lambda record: on_disk.append((record.epoch, _last_epoch(tmp_path)))), folder=tmp_path)
    assert on_disk == [(epoch, epoch) for epoch in range(1, 6)]


def test_mixed_precision_learns_and_keeps_float32_weights(name: str) -> None:
    full, mixed = run(name), run(name, replace(CONFIG, precision="bfloat16"))
    assert all(array.dtype != np.float16 for array in weights(mixed.model).values())
    assert mixed.records[-1].loss < mixed.records[0].loss
    assert mixed.records[-1].loss == pytest.approx(full.records[-1].loss, abs=0.02)
    assert not same_bits(full.model, mixed.model)
