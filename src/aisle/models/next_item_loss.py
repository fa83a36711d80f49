"""Losses over the catalogue for models that predict the next item: full softmax, sampled softmax, gBCE."""

# T targets of a batch   D width   V items of the catalogue   K negatives, the same for the whole batch   R targets of a block

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_BLOCK_CELLS = 512 * 1024  # logits at once on a CPU: 2 MB as float32 stay in a core's cache
_CUDA_BLOCK_CELLS = 64 * 1024 * 1024


class SoftmaxLoss(torch.autograd.Function):
    """Cross-entropy over the whole catalogue that never holds more logits than fit the cache.

    The gradient is taken in the forward pass, block by block, while a block's logits are still at hand: T x V logits are
    never in memory at once, and nothing is computed twice.

    Source: the idea of Wijmans et al. (2024), Cut Your Losses in Large-Vocabulary Language Models, with plain blocks.
    """

    @staticmethod
    def forward(ctx: Any, state_TD: Tensor, item_VD: Tensor, target_T: Tensor, weight_T: Tensor) -> Tensor:
        """Return the weighted sum of -log softmax(state item^T)[target]: scalar float32."""
        dtype = torch.get_autocast_dtype(state_TD.device.type) if torch.is_autocast_enabled(state_TD.device.type) else None
        with torch.autocast(state_TD.device.type, enabled=False):
            state, item = state_TD.to(dtype or torch.float32), item_VD.to(dtype or torch.float32)
            grad_state, grad_item = torch.empty_like(state, dtype=torch.float32), torch.zeros_like(item, dtype=torch.float32)
            total = state_TD.new_zeros((), dtype=torch.float32)
            cells = _CUDA_BLOCK_CELLS if state.is_cuda else _BLOCK_CELLS
            size = max(1, cells // max(len(item), 1))
            for start in range(0, len(state), size):
                part = slice(start, start + size)
                logit_RV = (state[part] @ item.T).float()
                log_sum_R = logit_RV.logsumexp(dim=1)
                right_R = logit_RV.gather(1, target_T[part, None]).squeeze(1)
                total += torch.dot(log_sum_R - right_R, weight_T[part])
                grad_RV = logit_RV.sub_(log_sum_R[:, None]).exp_()
                grad_RV.scatter_add_(1, target_T[part, None], grad_RV.new_full((len(grad_RV), 1), -1.0))
                grad_RV = grad_RV.mul_(weight_T[part, None]).to(state.dtype)
                grad_state[part] = grad_RV @ item
                if dtype is None:
                    grad_item.addmm_(grad_RV.T, state[part])
                else:
                    grad_item += grad_RV.T @ state[part]
        ctx.save_for_backward(grad_state, grad_item)
        ctx.dtypes = (state_TD.dtype, item_VD.dtype)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Scale what `forward` kept."""
        grad_state, grad_item = ctx.saved_tensors
        return (grad_state * grads[0]).to(ctx.dtypes[0]), (grad_item * grads[0]).to(ctx.dtypes[1]), None, None


def softmax_loss(state_TD: Tensor, item_VD: Tensor, target_T: Tensor, weight_T: Tensor) -> Tensor:
    """Return the weighted mean of the cross-entropy over the whole catalogue.

    Args:
        state_TD: (T, D) what the model expects next.
        item_VD: (V, D) the items.
        target_T: (T,) int64, the items that came.
        weight_T: (T,) float32, how much each target counts.
    """
    total: Tensor = SoftmaxLoss.apply(state_TD, item_VD, target_T, weight_T)  # type: ignore[no-untyped-call]
    return total / weight_T.sum()


def sampled_softmax_loss(right_T: Tensor, wrong_TK: Tensor, weight_T: Tensor) -> Tensor:
    """Return the weighted mean of the cross-entropy among the target and negatives.

    Args:
        right_T: (T,) scores of the targets.
        wrong_TK: (T, K) scores of negatives, -inf where a negative is the target itself.
        weight_T: (T,) float32, how much each target counts.
    """
    logit = torch.cat([right_T[:, None], wrong_TK], dim=1).float()
    loss_T = logit.logsumexp(dim=1) - right_T
    return torch.dot(loss_T, weight_T) / weight_T.sum()


def gbce_loss(right_T: Tensor, wrong_TK: Tensor, weight_T: Tensor, *, n_items: int, calibration: float) -> Tensor:
    """Return the weighted mean of the generalised binary cross-entropy.

    Negative sampling makes a model overconfident; raising the positive's probability to the power beta undoes it.

    Args:
        right_T: (T,) scores of the targets.
        wrong_TK: (T, K) scores of negatives, -inf where a negative is the target itself.
        weight_T: (T,) float32, how much each target counts.
        n_items: items that negatives are drawn from.
        calibration: t of the paper: 0 is plain binary cross-entropy, 1 is fully calibrated.

    Source: Petrov and Macdonald (2023), gSASRec: Reducing Overconfidence in Sequential Recommendation.
    """
    rate = wrong_TK.shape[1] / max(n_items - 1, 1)
    beta = rate * (calibration * (1 - 1 / rate) + 1 / rate)
    loss_T = beta * functional.softplus(-right_T.float()) + functional.softplus(wrong_TK.float()).sum(dim=1)
    return torch.dot(loss_T, weight_T) / weight_T.sum()
