"""The state of training after an epoch: all that the next epoch depends on, so that a run can be resumed exactly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from torch import Tensor, nn

from gmvae.history import History
from gmvae.training.adam import Tensors


@dataclass
class State:
    """Training at the end of an epoch."""

    network: Tensors  # current weights
    best: Tensors  # those of the best held-out bound
    optimizer: Tensors  # its moments
    generator: Tensor  # state of the random generator, uint8
    history: History = field(default_factory=History)  # epochs so far
    best_bound: float = -float("inf")  # held-out bound of `best`
    plateau_bound: float = -float("inf")  # the bound from which a gain is measured
    epochs_without_gain: int = 0  # since the last gain
    reductions: int = 0  # how often the learning rate was lowered after a non-finite value
    first_bound: float = -float("inf")  # held-out bound before the first epoch
    settled: int = 0  # epochs after which the clusters had settled, so that training soon ends; 0 until then
    finished: bool = False  # whether training has ended

    def has_converged(self, patience: int) -> bool:
        """Whether the clusters have settled, or the bound has not gained for ``patience`` epochs."""
        return bool(self.settled) or self.epochs_without_gain >= patience

    def to_tensors(self) -> tuple[Tensors, dict[str, str]]:
        """The state as tensors and text, for a file."""
        groups = {"network": self.network, "best": self.best, "optimizer": self.optimizer}
        tensors = {f"{group}/{name}": t for group, members in groups.items() for name, t in members.items()}
        scalars = {name: getattr(self, name) for name in _SCALARS}
        return {**tensors, "generator": self.generator}, {
            "scalars": json.dumps(scalars),
            "history": json.dumps(self.history.epochs),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], text: Mapping[str, str]) -> State:
        """Inverse of `to_tensors`.

        KeyError or ValueError if they are not what `to_tensors` returns.
        """

        def members(group: str) -> Tensors:
            return {name.split("/", 1)[1]: t for name, t in tensors.items() if name.startswith(group + "/")}

        scalars = json.loads(text["scalars"])
        if not isinstance(scalars, dict) or {name: type(value) for name, value in scalars.items()} != _SCALARS:
            raise ValueError(f"A state must have the scalars {', '.join(_SCALARS)}.")
        return cls(
            network=members("network"),
            best=members("best"),
            optimizer=members("optimizer"),
            generator=tensors["generator"],
            history=History.from_rows(json.loads(text["history"])),
            **scalars,
        )


_SCALARS = {each.name: type(each.default) for each in fields(State) if type(each.default) in (float, int, bool)}


def snapshot(network: nn.Module) -> Tensors:
    """Copy of a network's weights and buffers."""
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
