"""Files of ONNX, which runtimes in many languages answer from without this library; held to PyTorch when written."""

from __future__ import annotations

import json
import logging
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gmvae.atomic import replacing, write_text
from gmvae.device import torch_defaults
from gmvae.fitted.card import model_card
from gmvae.fitted.novelty import N_NOVELTY_SAMPLES
from gmvae.fitted.onnx_operations import Replaced
from gmvae.foreign_errors import reason
from gmvae.version import __version__

OPSET = 18
_IN_METADATA = ("likelihood", "event_shape", "feature_names_in", "columns", "classes", "n_components_effective")
"""Of the document of a model, what stands in the metadata of its graph."""
N_CHECKED = 1000
LARGEST_FILE = 2**31 - 2**20
"""Bytes that protobuf holds, less room for the graph."""
TOLERANCE = 1e-3
"""Largest difference of probabilities. Runtimes add up in other orders: where components are narrow, log-densities of
thousands of nats in float32 leave some 1e-4 of a probability open."""


class Exported(NamedTuple):
    """The files of an export.

    Attributes
    ----------
    model, decoder, card : Path
        The graph from observations to clusters, that from embeddings to observations, and the model card.
    difference : float
        Largest difference between PyTorch and ONNX Runtime on `n_rows` observations: that of probabilities, and of
        other outputs relative to their spread.
    n_rows : int
        Observations drawn from the model, on which the files were compared with PyTorch.
    """

    model: Path
    decoder: Path
    card: Path
    difference: float
    n_rows: int


class Graph(NamedTuple):
    """What is written to one file."""

    module: nn.Module  # of one input (n, ...)
    input: str  # its name
    outputs: tuple[str, ...]  # their names
    example: np.ndarray  # rows (n, ...) on which the file is held to PyTorch
    expected: Mapping[str, np.ndarray]  # what PyTorch gives for them, by the name of the output


def export(path: Path, answers: Graph, decoder: Graph, document: Mapping[str, Any], **thresholds: Any) -> Exported:
    """Write both graphs and the card: ``model.onnx``, ``model.decoder.onnx`` and ``model.md``.

    ValueError if the name does not end in .onnx, or as `write` does.

    Parameters
    ----------
    document : mapping
        What the file of the model says of it.
    thresholds : float or None
        What decides which rows are ambiguous and novel.
    """
    if path.suffix.lower() != ".onnx":
        raise ValueError(f"The name of an export must end in .onnx; got {path.name!r}: add the ending.")
    metadata = {"gmvae_version": __version__, **{name: document[name] for name in _IN_METADATA}, **thresholds}
    found = Exported(path, path.with_suffix(".decoder.onnx"), path.with_suffix(".md"), 0.0, len(answers.example))
    apart = [write(file, graph, metadata) for file, graph in ((found.model, answers), (found.decoder, decoder))]
    found = found._replace(difference=max(apart))
    write_text(found.card, model_card(document, _usage(found, answers, decoder, thresholds)))
    return found


def _usage(found: Exported, answers: Graph, decoder: Graph, thresholds: Mapping[str, Any]) -> str:
    """The section of the card on how to ask the graphs."""
    about = {
        "label": "int64: the most probable cluster, from 0; -1 for a row that `predict` refuses, as of infinite values",
        "proba": "float32, one a cluster: p(z\\|y) at the means of q(x\\|y) and q(w\\|y)",
        "embedding": "float32: the mean of q(x\\|y)",
        "ambiguous": f"bool: the entropy of `proba` is above {thresholds['ambiguous']:g} nats",
        "novel": f"bool: `log_likelihood` is among the lowest {thresholds['novel'] or 0:g}% of rows like those of the "
        "fit, for the row's size where rows are counts of different sizes",
        "log_likelihood": f"float32: importance-weighted estimate of log p(y) in nats, {N_NOVELTY_SAMPLES} samples, "
        "the same noise for all rows",
    }
    shape = ", ".join(map(str, answers.example.shape[1:]))
    outputs = "\n".join(f"| `{name}` | {about[name]} |" for name in answers.outputs)
    return f"""\
## How to ask it

`{found.model.name}` is one graph (ONNX, opset {OPSET}) that takes rows in the data's own units: nothing has to be
scaled, and encoded only what the section on data says. The input `{answers.input}` is {answers.example.dtype} of shape
(n, {shape}), for any n; outputs:

| output | |
|---|---|
{outputs}

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("{found.model.name}")
rows = np.zeros((1, {shape}), np.{answers.example.dtype})  # your own
label, proba = session.run(["label", "proba"], {{"{answers.input}": rows}})
```

`{found.decoder.name}` maps `{decoder.input}`, float32 of shape (n, {decoder.example.shape[1]}), to `mean`, the mean of
p(y|x), of skewed columns the median, in the data's units{
        "" if answers.example.dtype != np.uint8 else ", as values in [0, 1]"
    }. The metadata of both,
`session.get_modelmeta().custom_metadata_map["gmvae"]`, have the data's columns as JSON.

Both were held to PyTorch on {found.n_rows:,} rows drawn from the model when they were written: the largest difference
was {found.difference:.1g}.
"""


def write(path: Path, graph: Graph, metadata: Mapping[str, Any]) -> float:
    """Write a graph to one file, atomically, with ``metadata`` as JSON; return `difference`.

    ValueError if a library is missing, a module of the user's own cannot be exported, the file would be too large, or
    it does not answer as PyTorch does.
    """
    n_bytes = sum(each.nbytes for each in graph.module.state_dict().values())
    if n_bytes > LARGEST_FILE:
        raise ValueError(
            f"A model must be smaller than 2 GiB to be one file of ONNX; got {n_bytes / 2**30:.1f} GiB: fit one with "
            "fewer hidden units or components."
        )
    program = _program(graph)
    program.model.metadata_props["gmvae"] = json.dumps(metadata)
    with replacing(path) as temporary:
        program.save(temporary, external_data=False)
        return difference(temporary, graph)


def difference(path: Path, graph: Graph) -> float:
    """Largest difference between what the file answers and what is expected; ValueError if it is too large.

    Labels count where probabilities decide; numbers relative to the spread of their output.
    """
    from onnxruntime import InferenceSession

    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    found = dict(zip(graph.outputs, session.run(None, {graph.input: graph.example}), strict=True))
    differences = [_apart(found[name], expected) for name, expected in graph.expected.items()]
    largest = max(differences, default=0.0)
    if not largest < TOLERANCE:
        raise ValueError(
            f"The exported model must answer as PyTorch does; got differences of {largest:.2g}: say so to the "
            "authors, and use the library itself."
        )
    return largest


def _apart(found: np.ndarray, expected: np.ndarray) -> float:
    if found.shape != expected.shape:
        return math.inf
    scale = max(1.0, float(np.std(expected.astype(np.float64))))
    return float(np.abs(found.astype(np.float64) - expected).max()) / scale


@torch_defaults()
def _program(graph: Graph) -> Any:
    """The graph as an ONNX program, of any number of rows."""
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ValueError("Export must have ONNX installed: pip install 'gmvae[onnx]'.") from error
    example: Tensor = torch.from_numpy(graph.example[:3])
    with _quiet(), torch.no_grad():
        try:
            with Replaced():
                exported = torch.export.export(
                    graph.module.eval(), (example,), dynamic_shapes=({0: torch.export.Dim("n")},), strict=False
                )
            return torch.onnx.export(
                exported,
                dynamo=True,
                opset_version=OPSET,
                dynamic_shapes=({0: "n"},),
                input_names=[graph.input],
                output_names=graph.outputs,
                verbose=False,
            )
        except (torch.onnx.OnnxExporterError, torch._dynamo.exc.TorchDynamoException, RuntimeError) as error:
            raise ValueError(
                "`network` must hold modules that `torch.export` takes, for any number of rows; got "
                f"{type(error).__name__}: {reason(error)}: use layers of torch.nn."
            ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of itself and of libraries that are not installed."""
    logs = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [log.level for log in logs]
    try:
        for log in logs:
            log.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)
