"""What distributions of counts share."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor


class CountDistribution:
    """Independent counts over the last ``event_dims`` axes.

    Attributes
    ----------
    log_rate : Tensor of shape (..., *event)
        Log of the expected counts.
    event_dims : int
        Number of trailing axes that form one observation.
    """

    log_rate: Tensor
    event_dims: int

    @property
    def mean(self) -> Tensor:
        """Expected counts."""
        return self.log_rate.exp()

    def log_prob(self, value: Tensor) -> Tensor:
        """Log probability of counts ``value`` (..., *event) in nats; shape (...)."""
        return self.entry_log_prob(value).flatten(-self.event_dims).sum(-1).to(self.log_rate.dtype)

    @abstractmethod
    def entry_log_prob(self, value: Tensor) -> Tensor:
        """The same for every entry, (..., *event).

        Computed in float64: of a large count the terms are millions of times their sum.
        """
