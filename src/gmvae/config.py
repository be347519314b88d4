"""Every hyperparameter, once: name, domain, symbol in the paper, and help.

The estimator's signature and the command line are held to this file by a test.
It imports neither torch nor numpy, so that ``gmvae --help`` stays light.
"""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal, cast, get_args

Bound = Literal["exact", "paper"]
LikelihoodName = Literal["auto", "bernoulli", "gaussian", "poisson"]
NetworkName = Literal["auto", "mlp", "conv", "paper-synthetic", "paper-mnist", "paper-svhn"]
Init = Literal["auto", "neighbours", "kmeans", "gmm", "random"]
ComponentWeights = Literal["learned", "uniform"]
Precision = Literal["auto", "32-true", "bf16-mixed", "64-true"]
Schedule = Literal["one-cycle", "constant"]


@dataclass(frozen=True)
class Domain:
    """What values a hyperparameter may take, and how to say so in a sentence."""

    says: str
    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False
    integral: bool = False
    choices: tuple[str, ...] = ()
    numeric: bool = True
    optional: bool = False

    def holds(self, value: object) -> bool:
        """Whether ``value`` lies in the domain."""
        if value is None:
            return self.optional
        if isinstance(value, str):
            return value in self.choices
        kind = Integral if self.integral else Real
        if not self.numeric or isinstance(value, bool) or not isinstance(value, kind):
            return False
        number = cast(Any, value)
        above = number > self.low if self.low_open else number >= self.low
        below = number < self.high if self.high_open else number <= self.high
        return above and below


def _builtin(value: object) -> object:
    """Numbers of other types, such as numpy's, as Python's own: theirs overflow in arithmetic on sizes."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return value
    return int(value) if isinstance(value, Integral) else float(value)


def _integer(low: int) -> Domain:
    return Domain(f"an integer of at least {low}", low=low, integral=True)


def _choice(alias: Any) -> Domain:
    choices = get_args(alias)
    return Domain("one of " + ", ".join(repr(c) for c in choices), choices=choices, numeric=False)


def _field(default: Any, domain: Domain | None, help: str, symbol: str = "") -> Any:
    metadata = {"domain": domain, "help": help, "symbol": symbol}
    return dataclasses.field(default=default, metadata=metadata)


LEAST_PICTURE = 16
"""Pixels on the shorter side from which on images are moved about and described by their strokes."""
MIN_STEPS, MIN_EPOCHS, MAX_EPOCHS = 3000, 20, 500

_POSITIVE = Domain("a positive number", low=0.0, high=math.inf, low_open=True, high_open=True)
_NON_NEGATIVE = Domain("a number of at least 0", low=0.0, high=math.inf, high_open=True)
_SEED = Domain("None, an integer in [0, 2**32) or a numpy RandomState", low=0, high=2**32 - 1, integral=True)


@dataclass(frozen=True)
class Config:
    """All hyperparameters of a fit, checked on construction.

    Raises
    ------
    ValueError
        If a value lies outside its domain; the sentence names the parameter, its domain
        and the value.
    """

    n_components: int | Literal["auto"] = _field(
        10,
        dataclasses.replace(_integer(1), says="an integer of at least 1 or 'auto'", choices=("auto",)),
        "Number of clusters; 'auto' takes as many, from 2 on, as halves of the data agree on.",
        "K",
    )
    latent_dim: int = _field(10, _integer(1), "Dimension of the latent that carries the mixture.", "D_x")
    style_dim: int | Literal["auto"] = _field(
        "auto",
        dataclasses.replace(_integer(1), says="an integer of at least 1 or 'auto'", choices=("auto",)),
        "Dimension of the style latent; 'auto' takes 4 for images and 2 for tables.",
        "D_w",
    )
    likelihood: LikelihoodName = _field(
        "auto",
        _choice(LikelihoodName),
        "Distribution of the data given the latent; 'auto' takes 'bernoulli' for booleans, uint8 images and grey "
        "levels within [0, 1], else 'gaussian'.",
        "p(y|x)",
    )
    network: Any = _field(
        "auto",
        None,
        "Hidden layers: a name, or a pair (encoder, decoder) of torch modules; 'auto' takes 'conv' for images "
        "of at least 8x8 pixels, else 'mlp'.",
    )
    hidden_layer_sizes: tuple[int, ...] = _field(
        (500, 500), None, "Widths of the hidden layers of 'mlp', mirrored in the decoder; 'conv' uses the last."
    )
    batch_norm: bool = _field(False, None, "Batch normalisation after every hidden layer of 'mlp' and 'conv'.")
    max_iter: int | Literal["auto"] = _field(
        "auto",
        dataclasses.replace(_integer(1), says="an integer of at least 1 or 'auto'", choices=("auto",)),
        "Epochs at most; 'auto' takes enough for 3,000 gradient steps, between 20 and 500 epochs.",
    )
    batch_size: int = _field(128, _integer(1), "Observations per gradient step.")
    learning_rate: float = _field(1e-3, _POSITIVE, "Adam's step size (its peak under 'one-cycle').")
    learning_rate_schedule: Schedule = _field(
        "one-cycle", _choice(Schedule), "How the learning rate runs over the epochs."
    )
    max_grad_norm: float | None = _field(
        None,
        dataclasses.replace(_POSITIVE, says="a positive number or None", optional=True),
        "Clip the gradient's norm to this; None does not clip.",
    )
    min_information: float = _field(
        0.0,
        _NON_NEGATIVE,
        "Minimum information constraint in nats: the z-term costs nothing while its minibatch mean is below it.",
        "lambda",
    )
    warm_up: float = _field(
        0.0,
        Domain("a number in [0, 1]", low=0.0, high=1.0),
        "Share of the epochs over which the costs of x and w rise from nothing to their full weight.",
    )
    n_mc_samples: int = _field(1, _integer(1), "Monte Carlo samples per observation.", "M")
    bound: Bound = _field(
        "exact", _choice(Bound), "Evidence bound: 'exact' sums z out, 'paper' is the paper's looser one."
    )
    n_init: int = _field(1, _integer(1), "Restarts; the best held-out bound wins.")
    init: Init = _field(
        "auto",
        _choice(Init),
        "Clusters on which the components start; 'auto' takes those of 'neighbours', 'kmeans' and 'gmm' that the data "
        "support best.",
    )
    component_weights: ComponentWeights = _field(
        "learned",
        _choice(ComponentWeights),
        "Shares of the components in p(z): 'learned' from those of the starting clusters on, or 'uniform'.",
        "pi",
    )
    consistency: float | Literal["auto"] = _field(
        "auto",
        dataclasses.replace(_NON_NEGATIVE, says="a number of at least 0 or 'auto'", choices=("auto",)),
        "Nats by which an image and a slightly moved copy of it are drawn to the same cluster; 'auto' takes 5 for "
        "images of at least 16x16 pixels, else 0.",
    )
    tol: float = _field(0.01, _NON_NEGATIVE, "Least gain in the held-out bound that counts, in nats per observation.")
    n_iter_no_change: int = _field(20, _integer(1), "Epochs without a gain of `tol` before training stops.")
    validation_fraction: float = _field(
        0.1,
        Domain("a number in [0, 1)", low=0.0, high=1.0, high_open=True),
        "Share of the rows held out to decide when to stop; 0 uses training rows, at most 10,000.",
    )
    restarts_at_once: int | Literal["auto"] = _field(
        "auto",
        dataclasses.replace(_integer(1), says="an integer of at least 1 or 'auto'", choices=("auto",)),
        "Restarts trained as one stacked model; 'auto' takes all on a GPU and for small networks, else one.",
    )
    precision: Precision = _field(
        "auto",
        _choice(Precision),
        "Floating-point precision of training; 'auto' takes bfloat16 products for Bernoulli data where the device has "
        "them.",
    )
    compile: bool | Literal["auto"] = _field(
        "auto", None, "Compile the model with torch.compile; 'auto' does on a GPU for long runs."
    )
    device: str = _field("auto", None, "'auto', 'cpu', 'cuda' or 'cuda:N'.")
    random_state: Any = _field(None, None, "Seed: None, an integer, or a numpy RandomState.")
    warm_start: bool = _field(False, None, "Start `fit` from the previous solution, without restarts.")
    verbose: int = _field(0, _integer(0), "0 is silent, 1 reports every epoch.")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            domain = field.metadata["domain"]
            if domain is not None:
                require(field.name, domain, getattr(self, field.name))
                self._settle(field.name, _builtin(getattr(self, field.name)))
        self._check_network()
        self._check_hidden_layer_sizes()
        self._settle("hidden_layer_sizes", tuple(_builtin(size) for size in self.hidden_layer_sizes))
        if not (isinstance(self.compile, bool) or self.compile == "auto"):
            raise ValueError(f"`compile` must be True, False or 'auto'; got {self.compile!r}.")
        for name in ("batch_norm", "warm_start"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"`{name}` must be True or False; got {getattr(self, name)!r}.")
        if not isinstance(self.device, str) or not re.fullmatch(r"auto|cpu|cuda(:[0-9]+)?", self.device):
            raise ValueError(f"`device` must be 'auto', 'cpu', 'cuda' or 'cuda:N'; got {self.device!r}.")
        # A generator, which a RandomState is, has `randint`; numpy is not imported here to ask it by type.
        if not (self.random_state is None or _SEED.holds(self.random_state) or hasattr(self.random_state, "randint")):
            raise ValueError(f"`random_state` must be {_SEED.says}; got {self.random_state!r}.")

    @property
    def K(self) -> int:
        """Number of clusters, once it is a number."""
        assert isinstance(self.n_components, int)
        return self.n_components

    @property
    def D_w(self) -> int:
        """Dimension of the style, once it is a number."""
        assert isinstance(self.style_dim, int)
        return self.style_dim

    def _settle(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # the dataclass is frozen once it is made

    def _check_network(self) -> None:
        if isinstance(self.network, str):
            require("network", _choice(NetworkName), self.network)
            return
        # A torch module has `state_dict`; torch is not imported here to ask it by type.
        is_pair = isinstance(self.network, tuple) and len(self.network) == 2
        if not is_pair or not all(hasattr(part, "state_dict") for part in self.network):
            raise ValueError(
                f"`network` must be one of {', '.join(map(repr, get_args(NetworkName)))} or a pair "
                f"(encoder, decoder) of torch modules; got {self.network!r}."
            )

    def _check_hidden_layer_sizes(self) -> None:
        width = _integer(1)
        sizes = self.hidden_layer_sizes
        if not isinstance(sizes, tuple | list) or not sizes or not all(width.holds(size) for size in sizes):
            raise ValueError(
                f"`hidden_layer_sizes` must be a non-empty tuple of integers of at least 1; got {sizes!r}."
            )


def epochs(max_iter: int | str, n_rows: int, batch_size: int) -> int:
    """Resolve ``max_iter='auto'`` for ``n_rows`` training rows."""
    if not isinstance(max_iter, str):
        return int(max_iter)
    steps_per_epoch = max(1, n_rows // batch_size)
    return min(MAX_EPOCHS, max(MIN_EPOCHS, math.ceil(MIN_STEPS / steps_per_epoch)))


def require(name: str, domain: Domain, value: object) -> None:
    """Raise a one-sentence ``ValueError`` unless ``value`` lies in ``domain``."""
    if not domain.holds(value):
        raise ValueError(f"`{name}` must be {domain.says}; got {value!r}.")
