"""Every hyperparameter, once: default, domain, help, and symbol in the paper.

The estimator's signature and the command line are held to these fields by a test; the parameter table of the
estimator's docstring and ``--help`` are made from them. It imports neither torch nor numpy, so that ``gmvae --help``
is fast.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gmvae.domains import (
    DEVICE,
    NON_NEGATIVE,
    POSITIVE,
    SEED,
    SHARE,
    SHARE_BELOW_ONE,
    TRUTH,
    TRUTH_OR_AUTO,
    WIDTHS,
    Domain,
    builtin,
    choice,
    integer,
    pair_of_modules,
    require,
)

Bound = Literal["exact", "paper"]
LikelihoodName = Literal["auto", "bernoulli", "negative-binomial", "gaussian", "hurdle", "poisson", "categorical"]
COUNTS = ("negative-binomial", "poisson")
"""Likelihoods of counts, the usual one first."""
NetworkName = Literal["auto", "mlp", "conv", "paper-synthetic", "paper-mnist", "paper-svhn"]
Init = Literal["auto", "neighbours", "kmeans", "gmm", "random"]
ComponentWeights = Literal["auto", "learned", "uniform"]
Precision = Literal["auto", "32-true", "bf16-mixed", "64-true"]
Schedule = Literal["one-cycle", "constant"]
Effort = Literal["labels", "density"]

SIZES_WITHOUT_COLUMN = ("auto", "total", "none")
"""Values of `size_factors` that name no column."""
MIN_AUGMENTED_SIZE = 16
"""Pixels on the shorter side from which on images are transformed at random and described by their strokes."""

_NAMES = choice(NetworkName)
_NETWORK = dataclasses.replace(
    _NAMES,
    says=f"{_NAMES.says} or a pair (encoder, decoder) of torch modules",
    predicate=lambda value: _NAMES.holds(value) or pair_of_modules(value),
    type_name=f"{_NAMES.type} or pair of modules",
)


_LIKELIHOODS = choice(LikelihoodName)
_LIKELIHOOD = dataclasses.replace(
    _LIKELIHOODS,
    says=f"{_LIKELIHOODS.says} or a dict of such names by column",
    predicate=lambda value: (
        all(_LIKELIHOODS.holds(name) for name in value.values())
        if isinstance(value, Mapping)
        else _LIKELIHOODS.holds(value)
    ),
    type_name=f"{_LIKELIHOODS.type} or dict",
)


def _field(default: Any, domain: Domain, help: str, symbol: str = "") -> Any:
    metadata = {"domain": domain, "help": help, "symbol": symbol}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Config:
    """All hyperparameters of a fit, checked on construction.

    Raises
    ------
    ValueError
        If a value lies outside its domain; the sentence names the parameter, its domain and the value.
    """

    n_components: int | Literal["auto"] = _field(
        10,
        integer(1).or_auto(),
        "Number of clusters; 'auto' takes the number, from 2 on, that halves of the data agree on best.",
        "K",
    )
    latent_dim: int = _field(10, integer(1), "Dimension of the latent x that carries the mixture.", "D_x")
    style_dim: int | Literal["auto"] = _field(
        "auto",
        integer(1).or_auto(),
        "Dimension of the style latent w; 'auto' takes 4 for images and 2 for tables.",
        "D_w",
    )
    likelihood: LikelihoodName | Mapping[str, LikelihoodName] = _field(
        "auto",
        _LIKELIHOOD,
        "Distribution of the data given x; 'auto' takes 'bernoulli' for booleans, uint8 images, grey levels within "
        "[0, 1] (rows in most of whose columns a tenth or more of the values are exactly 0 or 1) and columns of 0 "
        "and 1, 'negative-binomial' for sparse whole numbers, 'categorical' for categories, else 'gaussian' with "
        "learned mean and scale, or, in tables of several kinds, 'hurdle' for columns that repeat one value, as an "
        "income of 0, whose probability it has. 'poisson' and 'negative-binomial', which varies more, are for counts: "
        "whole numbers of events. A name is for all columns of numbers; a dict names that of some columns.",
        "p(y|x)",
    )
    size_factors: str = _field(
        "auto",
        Domain(
            "'auto', 'total', 'none' or the name of a column",
            predicate=lambda value: isinstance(value, str) and bool(value),
            type_name="str",
        ),
        "How much was counted of each row, by which expected counts are multiplied, where all columns are counts: "
        "'total' counts of the row, a column that holds it, or 'none'; 'auto' takes 'total' for 'negative-binomial' "
        "rows without gaps, else 'none'.",
    )
    covariate: str | None = _field(
        None,
        Domain(
            "None or the name of a column",
            predicate=lambda value: value is None or (isinstance(value, str) and bool(value)),
            type_name="str or None",
        ),
        "Column with the number of each row's experimental batch, from 0 on, where rows are counts with size factors: "
        "encoder and decoder are told it, clusters are not found by it.",
    )
    network: Any = _field(
        "auto",
        _NETWORK,
        "Hidden layers; 'auto' takes 'conv' for images of at least 8x8 pixels, else 'mlp'. A pair (encoder, decoder) "
        "of torch modules maps (n, *event) to features (n, width), and (n, latent_dim) to (n, 1, *event) logits for "
        "'bernoulli', (n, 2, *event) means and log-scales for 'gaussian', or (n, 1, *event) logs of the rates over "
        "their columns' means for counts. The modules are copied: every restart begins with the weights they have.",
    )
    hidden_layer_sizes: tuple[int, ...] | Literal["auto"] = _field(
        "auto",
        WIDTHS.or_auto(),
        "Widths of the hidden layers of 'mlp', mirrored in the decoder; 'conv' uses the last. 'auto' takes 500 twice, "
        "or 256 twice where an observation has at most 100 values.",
    )
    batch_norm: bool = _field(False, TRUTH, "Batch normalisation after every hidden layer of 'mlp' and 'conv'.")
    effort: Effort = _field(
        "labels",
        choice(Effort),
        "What training is for: 'labels' ends it soon after the bound gains little beside what it has gained, when "
        "clusters change no more; 'density' goes on for several times as long, for a higher likelihood.",
    )
    max_iter: int | Literal["auto"] = _field(
        "auto",
        integer(1).or_auto(),
        "Epochs at most, each a pass over the training rows; 'auto' takes enough for 3,000 gradient steps and at least "
        "20, and counts as one epoch as many passes over few rows as 10 steps take.",
    )
    batch_size: int = _field(128, integer(1), "Observations per gradient step.")
    learning_rate: float = _field(1e-3, POSITIVE, "Adam's step size (its peak under 'one-cycle').")
    learning_rate_schedule: Schedule = _field(
        "one-cycle",
        choice(Schedule),
        "Learning rate over the epochs: 'one-cycle' rises over 3 % of them and falls to 0 along a cosine.",
    )
    max_grad_norm: float | None = _field(
        None, POSITIVE.or_none(), "Clip the gradient's norm to this; None does not clip."
    )
    min_information: float = _field(
        0.0,
        NON_NEGATIVE,
        "Minimum information constraint in nats: the z-term costs nothing while its minibatch mean is below it.",
        "lambda",
    )
    warm_up: float = _field(
        0.0, SHARE, "Share of the epochs over which the weights of the x- and w-terms rise from 0 to 1."
    )
    n_mc_samples: int = _field(1, integer(1), "Monte Carlo samples per observation.", "M")
    bound: Bound = _field(
        "exact", choice(Bound), "Evidence bound: 'exact' sums z out, 'paper' is the paper's looser one."
    )
    n_init: int = _field(1, integer(1), "Restarts; the one with the best held-out bound is kept.")
    init: Init = _field(
        "auto",
        choice(Init),
        "Clusters on which the components start; 'auto' takes those of 'neighbours', 'kmeans' and 'gmm' that the data "
        "support best, 'random' starts without any, from components that are nearly alike.",
    )
    component_weights: ComponentWeights = _field(
        "auto",
        choice(ComponentWeights),
        "Weights of the components in p(z): 'learned', starting from the shares of the starting clusters, or "
        "'uniform', 1/K each, as in the paper; 'auto' takes 'uniform' under `consistency`, else 'learned'.",
        "pi",
    )
    consistency: float | Literal["auto"] = _field(
        "auto",
        NON_NEGATIVE.or_auto(),
        "Weight, in nats, of the loss that assigns an image and a randomly transformed copy to the same cluster; "
        "'auto' takes 5 for images of at least 16x16 pixels, else 0.",
    )
    tol: float = _field(0.01, NON_NEGATIVE, "Least gain in the held-out bound that counts, in nats per observation.")
    n_iter_no_change: int = _field(20, integer(1), "Epochs without a gain of `tol` after which training stops.")
    validation_fraction: float = _field(
        0.1,
        SHARE_BELOW_ONE,
        "Share of the rows held out to decide when to stop; 0 uses training rows, at most 10,000.",
    )
    restarts_at_once: int | Literal["auto"] = _field(
        "auto",
        integer(1).or_auto(),
        "Restarts trained as one stacked model; 'auto' takes all on a GPU and for small networks, else one.",
    )
    precision: Precision = _field(
        "auto",
        choice(Precision),
        "Floating-point precision of training; 'auto' takes bfloat16 products for Bernoulli data where the device has "
        "them, else 32 bits.",
    )
    compile: bool | Literal["auto"] = _field(
        "auto", TRUTH_OR_AUTO, "Compile the model with `torch.compile`; 'auto' does on a GPU for long runs."
    )
    device: str = _field("auto", DEVICE, "'cpu', 'cuda', 'cuda:N', or 'auto' for a GPU where there is one.")
    random_state: Any = _field(
        None,
        SEED,
        "Seed; None takes a fresh one. The same seed gives the same result on the same machine, on a CPU bit for bit.",
    )
    warm_start: bool = _field(False, TRUTH, "Start `fit` from the previous solution, without restarts.")
    verbose: int = _field(0, integer(0), "0 is silent, 1 reports every epoch on standard error.")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            domain, value = field.metadata["domain"], getattr(self, field.name)
            # A name that is none of the networks is a slip of the pen, not a failed pair.
            require(field.name, _NAMES if field.name == "network" and isinstance(value, str) else domain, value)
            if domain.predicate is None:
                self._replace(field.name, builtin(value))
        if not isinstance(self.hidden_layer_sizes, str):
            self._replace("hidden_layer_sizes", tuple(map(builtin, self.hidden_layer_sizes)))

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

    def _replace(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # the dataclass is frozen once it is made
