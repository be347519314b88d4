"""Lightning Fabric for one device, in the model's precision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers.logger import Logger
from lightning_fabric.loggers.tensorboard import TensorBoardLogger
from lightning_fabric.plugins.precision import Precision
from torch import nn

from gmvae.config import Config
from gmvae.config import Precision as Precisions
from gmvae.device import device_for


class ModelPrecision(Precision):
    """Precision of the model's weights and matrix products only.

    Fabric's own plugins also cast the arguments and results of `forward`. Rows must not be cast, because the model
    standardises them in float64, nor the terms, which are computed in float32.
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


class Events(TensorBoardLogger):
    """TensorBoard events, with errors that name the folder: Fabric's own logger hides that a disk is full."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        with self._naming():
            for name, value in metrics.items():
                self.experiment.add_scalar(name, value, step)

    def finalize(self, status: str) -> None:
        with self._naming():
            super().finalize(status)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.log_dir) from error


def make_fabric(config: Config, log_dir: Path | None = None) -> Fabric:
    """Fabric for one device; TensorBoard events go to ``log_dir``."""
    device = device_for(config.device)
    loggers: list[Logger] = [] if log_dir is None else [Events(log_dir.parent, name=log_dir.name, version="")]
    return Fabric(
        accelerator=device.type,
        devices=1 if device.index is None else [device.index],
        plugins=ModelPrecision(config.precision, device.type),
        loggers=loggers,
    )
