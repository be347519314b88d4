"""Where training and answers are computed, and whether compiling is possible there."""

from __future__ import annotations

import importlib.util
import os
import shutil
import warnings

import torch

from gmvae.training.guard import TrainingWarning


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


def compiler_for(device: torch.device) -> bool:
    """Whether `torch.compile` finds what it needs; a warning says what is missing."""
    if device.type == "cuda":
        found, wanted = importlib.util.find_spec("triton") is not None, "the package triton"
    else:
        found = any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++")))
        wanted = "a C++ compiler such as g++ on the PATH"
    if not found:
        warnings.warn(f"`compile` needs {wanted}; there is none, so training goes on without.", TrainingWarning, 2)
    return found
