import numpy as np
import pytest
import torch

from aisle.errors import AisleError
from aisle.models.candidate_fm import CandidateFM, CandidateFMConfig


def test_without_a_network_the_logit_is_sums_of_steps_plus_every_pair() -> None:
    model = CandidateFM.untrained(CandidateFMConfig(4, 3, ()), 3, 6, seed=1)
    torch.nn.init.normal_(model.step.weight, generator=torch.Generator().manual_seed(2))
    code = np.array([[[0, 3, 5]]], np.int32)
    v, step = model.vector.weight.detach().numpy()[code[0, 0]], model.step.weight.detach().numpy()[:, 0]
    expected = step[:1].sum() + step[:4].sum() + step[:6].sum() + v[0] @ v[1] + v[0] @ v[2] + v[1] @ v[2]
    assert model.score_codes(code)[0, 0] == pytest.approx(expected, abs=1e-5)


def test_the_loss_is_that_of_a_softmax_over_the_candidates_that_are_there() -> None:
    model = CandidateFM.untrained(CandidateFMConfig(4, 2, ()), 1, 3, seed=1)
    with torch.no_grad():
        model.step.weight[:, 0] = torch.log(torch.tensor([1.0, 3.0, 100.0 / 3.0]))  # weights 1, 3, 100
    code = torch.tensor([[[0], [1], [2]]])
    right, there = torch.tensor([[False, True, False]]), torch.tensor([[True, True, False]])
    # One feature has no pairs. Chances 1 : 3, the third place is empty: -log(3/4).
    assert model.loss(code, right, there).item() == pytest.approx(-np.log(0.75), abs=1e-6)


def test_several_right_answers_share_the_question() -> None:
    model = CandidateFM.untrained(CandidateFMConfig(4, 2, ()), 1, 2, seed=1)
    with torch.no_grad():
        model.step.weight[:, 0] = torch.log(torch.tensor([1.0, 3.0]))
    right = torch.tensor([[True, True]])
    expected = -(np.log(0.25) + np.log(0.75)) / 2
    assert model.loss(torch.tensor([[[0], [1]]]), right, right).item() == pytest.approx(expected, abs=1e-6)


def test_widths_that_make_no_sense_are_refused() -> None:
    for bad in ({"buckets": 1}, {"factors": 0}, {"hidden": (0,)}, {"dropout": 1.0}):
        with pytest.raises(AisleError) as caught:
            CandidateFMConfig(**bad)
        assert caught.value.code == "E370"
