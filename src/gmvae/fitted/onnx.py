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

from gmvae.atomic import replacing
from gmvae.device import usual_torch
from gmvae.fitted.operations import DECOMPOSITIONS

SUFFIX = ".onnx"
OPSET = 18
LARGEST_FILE = 2**31 - 2**20
"""Bytes that protobuf holds, less room for the graph."""
TOLERANCE = 1e-3
"""Largest difference of probabilities. Runtimes add up in other orders: where components are narrow, log-densities of
thousands of nats in float32 leave some 1e-4 of a probability open."""


class Graph(NamedTuple):
    """What is written to one file.

    Attributes
    ----------
    module : nn.Module
        Of one input (n, ...).
    input : str
        Name of the input.
    outputs : tuple of str
        Names of the outputs.
    example : ndarray of shape (n, ...)
        Rows on which the file is held to PyTorch.
    expected : mapping of str to ndarray
        What PyTorch gives for them, by the name of the output.
    """

    module: nn.Module
    input: str
    outputs: tuple[str, ...]
    example: np.ndarray
    expected: Mapping[str, np.ndarray]


def write(path: Path, graph: Graph, facts: Mapping[str, Any]) -> float:
    """Write a graph to one file, atomically, with ``facts`` as JSON in its metadata; return `difference`.

    Raises
    ------
    ValueError
        If a library is missing, a module of the user's own cannot be exported, the file would be too large, or it
        does not answer as PyTorch does.
    """
    n_bytes = sum(each.nbytes for each in graph.module.state_dict().values())
    if n_bytes > LARGEST_FILE:
        raise ValueError(
            f"A model must be smaller than 2 GiB to be one file of ONNX; got {n_bytes / 2**30:.1f} GiB: fit one with "
            "fewer hidden units or components."
        )
    program = _program(graph)
    program.model.metadata_props["gmvae"] = json.dumps(facts)
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


@usual_torch()
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
            exported = torch.export.export(
                graph.module.eval(), (example,), dynamic_shapes=({0: torch.export.Dim("n")},), strict=False
            )
            exported = exported.run_decompositions({**torch.export.default_decompositions(), **DECOMPOSITIONS})
            return torch.onnx.export(
                exported,
                dynamo=True,
                opset_version=OPSET,
                input_names=[graph.input],
                output_names=graph.outputs,
                verbose=False,
            )
        except (torch.onnx.OnnxExporterError, torch._dynamo.exc.TorchDynamoException, RuntimeError) as error:
            raise ValueError(
                "`network` must hold modules that `torch.export` takes, for any number of rows; got "
                f"{type(error).__name__}: {str(error).strip().splitlines()[0]}: use layers of torch.nn."
            ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of itself and of libraries that are not installed."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
