"""Where and in which precision training computes."""

from __future__ import annotations

from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers.logger import Logger
from lightning_fabric.loggers.tensorboard import TensorBoardLogger

from gmvae.config import Config


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


def make_fabric(config: Config, log_dir: Path | None = None) -> Fabric:
    """Fabric for one device; TensorBoard events go to ``log_dir``."""
    device = device_for(config.device)
    loggers: list[Logger] = (
        [] if log_dir is None else [TensorBoardLogger(log_dir.parent, name=log_dir.name, version="")]
    )
    return Fabric(
        accelerator=device.type,
        devices=1 if device.index is None else [device.index],
        precision=config.precision,
        loggers=loggers,
    )
