"""Where and how PyTorch computes: the device, and a state that does not depend on the caller's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch


@contextmanager
def torch_defaults() -> Iterator[None]:
    """PyTorch as it is by default, but that denormal numbers count as 0; then as the caller had it.

    A CPU takes up to 200 times as long to multiply matrices of numbers below 1e-38, as are the probabilities of
    distant clusters. By default PyTorch computes with gradients, in float32 and without autocast: inside
    `torch.no_grad`, `torch.inference_mode`, `torch.autocast` or under another default type the same is computed.
    """
    kind = torch.get_default_dtype()
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if kind != torch.float32:
            torch.set_default_dtype(torch.float32)
            stack.callback(torch.set_default_dtype, kind)
        if not _flushes_denormal():
            torch.set_flush_denormal(True)
            stack.callback(torch.set_flush_denormal, False)
        yield


def _flushes_denormal() -> bool:
    return not bool(torch.tensor(1e-38) * 0.1)


def device_for(name: str, index: int = 0) -> torch.device:
    """Resolve 'auto', 'cpu', 'cuda' or 'cuda:N'; ``index`` is the GPU where none is named.

    ValueError if the GPU asked for is not there.
    """
    n_gpus = torch.cuda.device_count()
    if name == "auto":
        return torch.device("cuda", index % n_gpus) if n_gpus else torch.device("cpu")
    if name == "cpu":
        return torch.device("cpu")
    number = name.partition(":")[2] or str(index)
    if not number.isdecimal() or int(number) >= n_gpus:
        raise ValueError(
            f"`device` must be a device of this machine, which has {n_gpus} GPU(s); got {name!r}: use 'auto' or 'cpu'."
        )
    return torch.device("cuda", int(number))


def device_or_cpu(name: str) -> torch.device:
    """The same, but the CPU where the GPU asked for is not there."""
    try:
        return device_for(name)
    except ValueError:
        return torch.device("cpu")
