"""Where and in which precision training computes."""

from __future__ import annotations

import importlib.util
import os
import shutil
import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers.logger import Logger
from lightning_fabric.loggers.tensorboard import TensorBoardLogger
from lightning_fabric.plugins.precision import Precision
from torch import nn

from gmvae.config import Config
from gmvae.config import Precision as Precisions
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


class ModelPrecision(Precision):
    """Precision of the model's weights and matrix products only.

    Fabric's own plugins also cast what enters and leaves `forward`. Rows must enter as they are, because the model
    standardises them in float64, and terms must leave as they were computed.

    Parameters
    ----------
    precision : {"32-true", "bf16-mixed", "64-true"}
    device_type : str
        Where matrix products are to be in bfloat16.
    """

    def __init__(self, precision: Precisions, device_type: str) -> None:
        assert precision != "auto", "decided before"
        self.precision = precision
        self.device_type = device_type

    def convert_module(self, module: nn.Module) -> nn.Module:
        """Weights in float64 under "64-true"."""
        return module.double() if self.precision == "64-true" else module

    def forward_context(self) -> AbstractContextManager[object]:
        """Matrix products in bfloat16 under "bf16-mixed"."""
        if self.precision == "bf16-mixed":
            return torch.autocast(self.device_type, torch.bfloat16)
        return nullcontext()


def make_fabric(config: Config, log_dir: Path | None = None) -> Fabric:
    """Fabric for one device; TensorBoard events go to ``log_dir``."""
    device = device_for(config.device)
    loggers: list[Logger] = (
        [] if log_dir is None else [TensorBoardLogger(log_dir.parent, name=log_dir.name, version="")]
    )
    return Fabric(
        accelerator=device.type,
        devices=1 if device.index is None else [device.index],
        plugins=ModelPrecision(config.precision, device.type),
        loggers=loggers,
    )


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
