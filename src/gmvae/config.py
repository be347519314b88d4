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
        "Number of clusters; 'auto' estimates it, from 2 on, by whether halves of the data agree on the clusters.",
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
        "Distribution of the data given x. 'auto' takes 'bernoulli' for booleans, columns of 0 and 1, uint8 images and "
        "grey levels within [0, 1] (flat rows: if in most columns a tenth or more of the values are exactly 0 or 1), "
        "'negative-binomial' for sparse whole numbers, 'categorical' for categories, and 'gaussian' with learned mean "
        "and scale for everything else. In tables of several kinds it takes 'hurdle' for numbers of which half or more "
        "equal one value, such as an income of 0: that value has a probability of its own. 'poisson' and "
        "'negative-binomial', whose variance is larger, are for counts of events. A name holds for all columns of "
        "numbers; a dict gives names by column.",
        "p(y|x)",
    )
    size_factors: str = _field(
        "auto",
        Domain(
            "'auto', 'total', 'none' or the name of a column",
            predicate=lambda value: isinstance(value, str) and bool(value),
            type_name="str",
        ),
        "By what the expected counts of a row are multiplied, where all columns are counts: 'total', the sum of the "
        "row's counts, the name of a column that says how much was counted, or 'none'. 'auto' takes 'total' for "
        "'negative-binomial' rows without gaps, else 'none'.",
    )
    covariate: str | None = _field(
        None,
        Domain(
            "None or the name of a column",
            predicate=lambda value: value is None or (isinstance(value, str) and bool(value)),
            type_name="str or None",
        ),
        "Column with the number of each row's experimental batch, from 0 on, where rows are counts with size factors. "
        "Encoder and decoder are told the batch, so that clusters do not follow it.",
    )
    network: Any = _field(
        "auto",
        _NETWORK,
        "Hidden layers; 'auto' takes 'conv' for images of at least 8x8 pixels, else 'mlp'. A pair (encoder, decoder) "
        "of torch modules maps (n, *event) to features (n, width), and (n, latent_dim) to (n, 1, *event) logits for "
        "'bernoulli', (n, 2, *event) means and log-scales for 'gaussian', or (n, 1, *event) logs of the rates over "
        "their columns' means for counts. The modules are copied; every restart begins with their weights.",
    )
    hidden_layer_sizes: tuple[int, ...] | Literal["auto"] = _field(
        "auto",
        WIDTHS.or_auto(),
        "Widths of the hidden layers of 'mlp', mirrored in the decoder; 'conv' uses the last. 'auto' takes (500, 500), "
        "or (256, 256) for at most 100 values and for counts with size factors.",
    )
    batch_norm: bool = _field(False, TRUTH, "Batch normalisation after every hidden layer of 'mlp' and 'conv'.")
    effort: Effort = _field(
        "labels",
        choice(Effort),
        "What training is for. 'labels' ends it soon after the clusters have settled, when the held-out bound gains "
        "little beside what it has gained; 'density' goes on for several times as long, for a higher likelihood.",
    )
    max_iter: int | Literal["auto"] = _field(
        "auto",
        integer(1).or_auto(),
        "Largest number of epochs, each a pass over the training rows. 'auto' takes enough for 3,000 gradient steps, "
        "at least 20; if a pass has fewer than 10 steps, an epoch is several passes.",
    )
    batch_size: int | Literal["auto"] = _field(
        "auto",
        integer(1).or_auto(),
        "Observations per gradient step. 'auto' takes 128, or 256 of at least 50,000 rows in memory.",
    )
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
        "Minimum information constraint in nats: the z-prior term costs nothing while its minibatch mean is below it.",
        "lambda",
    )
    warm_up: float = _field(
        0.0, SHARE, "Share of the epochs over which the weights of the conditional prior and w-prior rise from 0 to 1."
    )
    n_mc_samples: int = _field(1, integer(1), "Monte Carlo samples per observation.", "M")
    bound: Bound = _field(
        "exact", choice(Bound), "Lower bound on log p(y): 'exact' sums z out, 'paper' is the paper's, which is looser."
    )
    n_init: int = _field(1, integer(1), "Restarts; the one with the best held-out bound is kept.")
    init: Init = _field(
        "auto",
        choice(Init),
        "How starting clusters are found. 'auto' takes those of 'neighbours', 'kmeans' and 'gmm' that score best; "
        "'random' starts without clusters, from components that are nearly alike.",
    )
    component_weights: ComponentWeights = _field(
        "auto",
        choice(ComponentWeights),
        "Weights of the components in p(z): 'learned', starting from the shares of the starting clusters, or "
        "'uniform', 1/K each, as in the paper. 'auto' takes 'uniform' if `consistency` is above 0, else 'learned'.",
        "pi",
    )
    consistency: float | Literal["auto"] = _field(
        "auto",
        NON_NEGATIVE.or_auto(),
        "Weight, in nats, of the loss that assigns an image and a randomly transformed copy to the same cluster; "
        "'auto' takes 5 for images of at least 16x16 pixels, else 0.",
    )
    tol: float = _field(0.01, NON_NEGATIVE, "Least gain of the held-out bound that counts, in nats per observation.")
    n_iter_no_change: int = _field(20, integer(1), "Epochs without a gain of `tol` after which training stops.")
    validation_fraction: float = _field(
        0.1,
        SHARE_BELOW_ONE,
        "Share of the rows that is held out to decide when to stop; with 0, at most 10,000 training rows decide.",
    )
    restarts_at_once: int | Literal["auto"] = _field(
        "auto",
        integer(1).or_auto(),
        "Restarts trained as one stacked model; 'auto' takes all on a GPU and for networks of up to a million "
        "parameters, else one.",
    )
    precision: Precision = _field(
        "auto",
        choice(Precision),
        "Precision of training; 'auto' takes bfloat16 matrix products for Bernoulli data and networks of at least a "
        "million parameters where the device has them, else 32 bits.",
    )
    compile: bool | Literal["auto"] = _field(
        "auto", TRUTH_OR_AUTO, "Compile the model with `torch.compile`; 'auto' does so on a GPU from 2,000 steps on."
    )
    device: str = _field("auto", DEVICE, "'cpu', 'cuda', 'cuda:N', or 'auto' for a GPU where there is one.")
    random_state: Any = _field(
        None,
        SEED,
        "Seed; None takes a fresh one. The same seed gives the same result on the same machine, on a CPU bit for bit.",
    )
    warm_start: bool = _field(False, TRUTH, "Whether `fit` starts from the previous fit, without restarts.")
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
    def B(self) -> int:
        """Observations per gradient step, once it is a number."""
        assert isinstance(self.batch_size, int)
        return self.batch_size

    @property
    def D_w(self) -> int:
        """Dimension of the style, once it is a number."""
        assert isinstance(self.style_dim, int)
        return self.style_dim

    def _replace(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # the dataclass is frozen once it is made
