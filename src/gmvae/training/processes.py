"""Processes that fit one model together, as torchrun or SLURM start them: each takes a slice of every minibatch.

Every process draws the same order of rows and the same noise, computes the terms of its slice, and adds its gradient to
those of the others. So a fit by several is that of one, up to rounding, and may go on with another number of them.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

T = TypeVar("T")
Network = TypeVar("Network", bound=nn.Module)


class LostProcessError(ConnectionError):
    """Another process of the same fit has ended, or cannot be reached."""


class FirstProcessError(RuntimeError):
    """The first process has failed, and says why."""


class Processes(NamedTuple):
    """The number of this process, from 0, among all that fit one model."""

    rank: int = 0
    size: int = 1

    @property
    def several(self) -> bool:
        return self.size > 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    def slice(self, n: int) -> slice:
        """The part of ``n`` rows that falls to this process; parts differ by one row at most."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def add_up(self, *tensors: Tensor) -> None:
        """Replace every tensor by its sum over the processes: the same on all, to the last bit."""
        if self.several:
            with _naming_the_lost():
                for tensor in tensors:
                    distributed.all_reduce(tensor)

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its sum over the processes, in one message for each type."""
        if not self.several:
            return
        gradients: dict[torch.dtype, list[Tensor]] = {}
        for parameter in parameters:
            if parameter.grad is not None:
                gradients.setdefault(parameter.grad.dtype, []).append(parameter.grad)
        for group in gradients.values():
            message = torch.cat([gradient.flatten() for gradient in group])
            self.add_up(message)
            for gradient, total in zip(group, message.split([each.numel() for each in group]), strict=True):
                gradient.copy_(total.view_as(gradient))

    def from_first(self, make: Callable[[], T]) -> T:
        """What ``make`` gives to the first process, on all; an error that it raises there is raised on all."""
        if not self.several:
            return make()
        found: list[Any] = [None, None]
        if self.first:
            try:
                found[0] = make()
            except Exception as error:
                found[1] = error
        with _naming_the_lost():
            distributed.broadcast_object_list(found)
        if found[1] is not None:
            raise found[1]
        return found[0]

    def gathered(self, value: T) -> list[T]:
        """The value of every process, in their order, on all."""
        if not self.several:
            return [value]
        found: list[Any] = [None] * self.size
        with _naming_the_lost():
            distributed.all_gather_object(found, value)
        return found

    @contextmanager
    def agreed(self) -> Iterator[None]:
        """What all do in the block must succeed on all.

        An error is raised where it arises, but once where the first process has one too: `FirstProcessError` stands
        for it on the others. Those without one get a `LostProcessError`.
        """
        failure = None
        try:
            yield
        except Exception as error:
            failure = error
        failed = self.gathered(failure is not None)
        if failure is not None:
            if failed[0] and not self.first:
                raise FirstProcessError("The first process has failed, and says why.") from failure
            raise failure
        if any(failed):
            raise LostProcessError(
                f"All {self.size} processes of a fit must do their part; number {failed.index(True)} has failed: "
                "what it said tells why."
            )


ONE_PROCESS = Processes()


def processes_here() -> Processes:
    """Which process this is, of how many, by what the launcher says in the environment; nothing is begun."""
    if distributed.is_available() and distributed.is_initialized():
        return Processes(distributed.get_rank(), distributed.get_world_size())
    if {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
        return Processes(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    return _by_slurm() if os.environ.get("SLURM_NTASKS", "1") != "1" else ONE_PROCESS


def join_processes(device: torch.device) -> Processes:
    """The processes of this fit, joined in one group where a launcher started several.

    A group that the caller has made is taken as it is. Otherwise that of torchrun or SLURM is made, by NCCL for GPUs
    and Gloo for CPUs, and stays until the process ends.
    """
    here = processes_here()
    if here.several and not distributed.is_initialized():
        backend = "gloo"
        if device.type == "cuda":
            torch.cuda.set_device(device)
            backend = "nccl"
        with _naming_the_lost():
            store, *_ = next(rendezvous("env://", here.rank, here.size))
            # Addresses of an attempt that has failed stay in torchrun's store; a new one must not find them.
            own = PrefixStore(f"gmvae/{_attempt()}", store)
            distributed.init_process_group(backend, store=own, rank=here.rank, world_size=here.size)
        atexit.register(_leave)
    return here


def restarted() -> bool:
    """Whether torchrun has started the processes anew after one of them had failed."""
    return _attempt() > 0


def with_shared_batch_norm(network: Network, processes: Processes, device: torch.device) -> Network:
    """The network with batch norm over the rows of all processes; ValueError where PyTorch has none, on CPUs."""
    normalises = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())
    if not processes.several or not normalises:
        return network
    if device.type != "cuda":
        raise ValueError(
            f"`batch_norm` must be False for a fit by several processes on CPUs; got a network with it and "
            f"{processes.size} processes: start one, or take GPUs."
        )
    return nn.SyncBatchNorm.convert_sync_batchnorm(network)


def _attempt() -> int:
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def local_rank() -> int:
    """Number of this process on its machine, which is that of its GPU; 0 where it is alone."""
    here = processes_here()
    return int(os.environ.get("LOCAL_RANK", here.rank)) if here.several else 0


def _by_slurm() -> Processes:
    """As `srun` started them; an interactive shell of SLURM is a process alone."""
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

    if not SLURMEnvironment.detect():
        return ONE_PROCESS
    environment = SLURMEnvironment()
    os.environ.setdefault("MASTER_ADDR", environment.main_address)
    os.environ.setdefault("MASTER_PORT", str(environment.main_port))
    os.environ.setdefault("LOCAL_RANK", str(environment.local_rank()))
    return Processes(environment.global_rank(), environment.world_size())


def _leave() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


@contextmanager
def _naming_the_lost() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # of PyTorch, in the words of its sockets
        raise LostProcessError(
            "All processes of a fit must run to its end; another one has ended, and what it said tells why: go on from "
            "the last checkpoint with `--resume`, or `resume=True`."
        ) from error
