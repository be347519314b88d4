"""Whether `torch.compile` can work on a device."""

from __future__ import annotations

import importlib.util
import os
import shutil

import torch

from gmvae.training.divergence import TrainingWarning
from gmvae.user_warnings import warn_user


def compiler_for(device: torch.device) -> bool:
    """Whether `torch.compile` finds what it needs; a warning says what is missing."""
    if device.type == "cuda":
        found, wanted = importlib.util.find_spec("triton") is not None, "the package triton"
    else:
        found = any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++")))
        wanted = "a C++ compiler such as g++ on the PATH"
    if not found:
        warn_user(f"`compile` needs {wanted}; there is none, so training goes on without.", TrainingWarning)
    return found
