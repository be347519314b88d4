"""The optimiser Adam, and its moments as tensors for a file."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import Parameter

Tensors = dict[str, Tensor]


def adam(parameters: Iterable[Parameter | Tensor], learning_rate: float) -> torch.optim.Adam:
    """Adam as in the paper (section 4), one pass over all parameters at once."""
    return torch.optim.Adam(parameters, lr=learning_rate, betas=(0.9, 0.999), eps=1e-8, fused=True)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """Copy of an optimiser's moments as ``index/name``."""
    moments = optimizer.state_dict()["state"]
    return {f"{index}/{name}": t.detach().clone() for index, each in moments.items() for name, t in each.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Put moments from `optimizer_tensors` back.

    ValueError if they do not fit the parameters.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    moments: dict[int, Tensors] = {}
    for key, tensor in tensors.items():
        index, _, name = key.partition("/")
        moments.setdefault(int(index), {})[name] = tensor.clone()
    for position, each in moments.items():
        shape = parameters[position].shape if position < len(parameters) else None
        if {moment: t.shape for moment, t in each.items()} != {"step": (), "exp_avg": shape, "exp_avg_sq": shape}:
            raise ValueError("The optimiser's moments must be those of the network's parameters.")
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
