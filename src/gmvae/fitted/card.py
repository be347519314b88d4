"""The model card: one page of Markdown on what a fitted model is, knows and must not be taken for (Mitchell 2019)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from importlib.metadata import version
from typing import Any

from gmvae.config import Config
from gmvae.version import __version__

_MANY = 30
"""Columns and levels of one column that are listed; of more, how many there are."""
_CODED = {"yes/no": "0 or 1, for", "category": "codes from 0, for"}

_LIMITS = """\
## Limits

- Clusters are not classes: they are what the model finds alike. What they mean is for whoever knows the data.
- Probabilities are the model's own, p(z|y) at the means of its posteriors; on data unlike those of the fit they may be
  certain and wrong. Rows like none of the fit are told by their density, not by their probabilities.
- Missing entries are taken to be missing at random.
- The model knows nothing of the time since its fit: compare the shares of clusters and of novel rows from time to time.

## How to cite

Dilokthanakul, Mediano, Garnelo, Lee, Salimbeni, Arulkumaran, Shanahan (2016): Deep Unsupervised Clustering with
Gaussian Mixture Variational Autoencoders. arXiv:1611.02648.
"""


def model_card(document: Mapping[str, Any], usage: str) -> str:
    """The card of a model.

    Parameters
    ----------
    document : mapping
        What its file says of it, as `Fitted.document`.
    usage : str
        A section on how to ask it, which differs with the form that it is passed on in.
    """
    K = document["parameters"]["n_components"]
    return "\n".join(
        [
            f"# A Gaussian mixture VAE of {K} {'cluster' if K == 1 else 'clusters'}",
            "",
            "Found without labels by [gmvae](https://arxiv.org/abs/1611.02648), the Gaussian Mixture Variational "
            "Autoencoder."
            if not any(document["classes"])
            else "Fitted by gmvae, the Gaussian Mixture Variational Autoencoder (arXiv:1611.02648), to rows of which "
            "some had known classes.",
            "",
            usage,
            *_data(document),
            *_fit(document),
            _LIMITS,
        ]
    )


def _data(document: Mapping[str, Any]) -> list[str]:
    shape, names = document["event_shape"], document["feature_names_in"]
    what = f"{shape[0]} columns" if len(shape) == 1 else "images of {} channels, {} by {} pixels".format(*shape)
    lines = ["## Data", "", f"Rows of {what}; likelihood `{document['likelihood']}`.", ""]
    columns = document["columns"]
    if columns is not None and len(columns["columns"]) <= _MANY:
        lines += ["| number | column | holds |", "|---|---|---|"]
        lines += [f"| {n} | {_cell(each['name'])} | {_held(each)} |" for n, each in enumerate(columns["columns"])]
        lines += ["", "A missing entry is NaN, and so is a level that is not listed.", ""]
    elif names is not None and len(names) <= _MANY:
        lines += [f"In this order: {', '.join(_cell(name) for name in names)}.", ""]
    return lines


def _held(column: Mapping[str, Any]) -> str:
    kind, levels = column["kind"], column.get("levels", ())
    if kind not in _CODED:
        return "numbers"
    shown = ", ".join(_code(str(level)) for level in levels[:_MANY])
    more = "" if len(levels) <= _MANY else f" and {len(levels) - _MANY} more"
    return f"{_CODED[kind]} {shown}{more}"


def _fit(document: Mapping[str, Any]) -> list[str]:
    classes = [each for each in document["classes"] if each is not None]
    stability = document["stability"]
    known = {
        "share of every cluster": ", ".join(f"{100.0 * share:.1f}%" for share in document["weights"][:_MANY])
        + (", …" if len(document["weights"]) > _MANY else ""),
        "effective number of clusters": f"{document['n_components_effective']:.2f}",
        "classes of the first clusters": ", ".join(_cell(str(each)) for each in classes),
        "held-out bound on log p(y)": f"{document['lower_bound']:.4g} nats per row",
        "epochs": f"{len(document['history'])}, {'converged' if document['converged'] else 'not converged'}",
        "agreement of restarts": "" if stability is None or math.isnan(stability) else f"{stability:.2f}",
        "parameters that are not the default": ", ".join(
            f"`{name}={value!r}`" for name, value in _chosen(document["parameters"]).items()
        ),
        "versions": f"gmvae {__version__}, torch {version('torch')}",
    }
    return [
        "## The fit",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in known.items() if value),
        "",
    ]


def _chosen(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters that are not the default; lists stand for tuples in files."""
    chosen = {}
    for field in fields(Config):
        value = parameters[field.name]
        value = tuple(value) if isinstance(value, list) else value
        if field.default is MISSING or value != field.default:
            chosen[field.name] = value
    return chosen


def _cell(text: str) -> str:
    """A name from a file as text in a table of Markdown."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _code(text: str) -> str:
    """The same as code, in which `<` has no meaning.

    Examples
    --------
    >>> _code("<=50K"), _code("a`b")
    ('`<=50K`', '`` a`b ``')
    """
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    blank = " " if len(fence) > 1 else ""
    return fence + blank + " ".join(text.split()).replace("|", "\\|") + blank + fence
