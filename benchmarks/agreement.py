"""The reference and gmvae compute the same: one loss and one set of gradients from the same weights and noise."""

from __future__ import annotations

import ours
import torch
from reference import Reference, noise
from workloads import Workload

RELATIVE = 1e-4
"""Allowed difference of a loss or of a parameter's gradient, as a share of its norm."""
NEGLIGIBLE = 1e-6
"""Share of the whole gradient's norm below which a parameter's own is rounding: a bias before batch norm has none."""
BATCH = 8
DRAWS = 10
"""Draws of weights, rows and noise, of which one must agree. Where a unit's input is zero up to rounding, two writings
may differ in whether it is on, and then gradients differ by more than rounding; an equation that is wrong differs on
every draw."""


def agrees(workload: Workload, precision: str = "float32") -> None:
    """Hold the reference to gmvae for one workload, in the precision in which it is timed.

    Raises
    ------
    AssertionError
        If the loss, or on every draw a gradient, differs; the message names it.
    """
    found: list[str] = []
    for seed in range(DRAWS):
        found = differences(workload, precision, seed)
        assert "the loss" not in found, f"{workload.name}: the reference's loss is not gmvae's"
        if not found:
            return
    raise AssertionError(f"{workload.name}: on {DRAWS} draws of {DRAWS} gradients differ, at last those of {found}")


def differences(workload: Workload, precision: str, seed: int) -> list[str]:
    """What differs between the reference and gmvae: "the loss", and parameters by name."""
    trainer = ours.trainer_for(workload, BATCH, precision, seed)
    model = trainer.model
    reference = Reference(workload).train()
    with torch.no_grad():
        weights = ours.in_reference_order(model, lambda parameter: parameter)
        for parameter, weight in zip(reference.parameters(), weights, strict=True):
            parameter.copy_(weight)
    torch.manual_seed(seed)
    drawn = noise(workload, BATCH)
    their_loss, y = ours.loss(trainer, BATCH, drawn)
    loss = reference.loss(y, *drawn)
    model.zero_grad()
    their_loss.backward()
    loss.backward()
    gradients = ours.in_reference_order(model, lambda parameter: parameter.grad)
    whole = float(torch.stack([parameter.grad.norm() for parameter in reference.parameters()]).norm())
    pairs = zip(reference.named_parameters(), gradients, strict=True)
    differing = [name for (name, p), each in pairs if not _close(each, p.grad, NEGLIGIBLE * whole)]
    return [*([] if _close(their_loss.detach(), loss.detach(), 0.0) else ["the loss"]), *differing]


def _close(theirs: torch.Tensor, expected: torch.Tensor, negligible: float) -> bool:
    return float((theirs - expected).norm()) <= RELATIVE * float(expected.norm()) + negligible
