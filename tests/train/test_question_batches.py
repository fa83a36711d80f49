import numpy as np
import pytest
import torch

from aisle.errors import AisleError
from aisle.train.question_batches import QuestionBatches, Questions

CPU = torch.device("cpu")


def questions(count: int = 5, width: int = 6) -> Questions:
    """Codes tell question and place; place 2 is right, the last place is empty."""
    code = (np.arange(count)[:, None] * 100 + np.arange(width))[:, :, None].astype(np.int32)
    right, there = np.zeros((2, count, width), np.bool_)
    right[:, 2] = True
    there[:, :-1] = True
    return Questions(code, right, there)


def test_every_question_comes_once_an_epoch_with_its_right_answer() -> None:
    batches = QuestionBatches(questions(), 2, 3, left_out=0, seed=1, device=CPU)
    parts = list(batches.epoch(1))
    assert [len(code) for code, _, _ in parts] == [2, 2, 1]
    assert batches.steps == 3
    code = torch.cat([part[0] for part in parts])[:, :, 0]
    right = torch.cat([part[1] for part in parts])
    assert sorted(code[right].tolist()) == [2, 102, 202, 302, 402]
    assert code.shape == (5, 3)


def test_empty_places_come_last_and_all_candidates_when_there_is_room() -> None:
    ((code, _, there),) = QuestionBatches(questions(1), 2, 9, left_out=0, seed=1, device=CPU).epoch(1)
    assert sorted(code[0, :, 0].tolist()) == [0, 1, 2, 3, 4, 5]
    assert there[0].tolist() == [True] * 5 + [False]


def test_an_epoch_is_the_same_from_its_number_and_the_seed_alone() -> None:
    first, again, other = (
        [part[0].tolist() for part in QuestionBatches(questions(), 2, 3, left_out=0, seed=seed, device=CPU).epoch(2)]
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_nothing_to_learn_from_is_said() -> None:
    none = Questions(np.zeros((0, 1, 1), np.int32), np.zeros((0, 1), np.bool_), np.zeros((0, 1), np.bool_))
    with pytest.raises(AisleError, match="candidates of 7 questions") as caught:
        QuestionBatches(none, 2, 3, left_out=7, seed=1, device=CPU)
    assert caught.value.code == "E504"
