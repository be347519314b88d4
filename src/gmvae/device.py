"""The device on which training and answers are computed."""

from __future__ import annotations

import torch


def device_for(name: str) -> torch.device:
    """Resolve 'auto', 'cpu', 'cuda' or 'cuda:N'.

    Raises
    ------
    ValueError
        If the GPU asked for is not there.
    """
    n_gpus = torch.cuda.device_count()
    if name == "auto":
        return torch.device("cuda", 0) if n_gpus else torch.device("cpu")
    if name == "cpu":
        return torch.device("cpu")
    index = name.partition(":")[2] or "0"
    if not index.isdecimal() or int(index) >= n_gpus:
        raise ValueError(
            f"`device` must be a device of this machine, which has {n_gpus} GPU(s); got {name!r}: use 'auto' or 'cpu'."
        )
    return torch.device("cuda", int(index))
