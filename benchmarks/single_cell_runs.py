"""What the benchmarks of single cells share: the counts of worm_neuron, and results that outlast an interruption."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from gmvae import load
from gmvae.atomic import replacing
from gmvae.data.sets import resolve_home
from gmvae.data.variable_genes import variable_genes


def parser_of(about: str | None, *, seeds: int, genes: int) -> argparse.ArgumentParser:
    """A parser of the options that all of them have, with the usual numbers of seeds and genes."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--data", type=Path, help="folder of data sets; by default GMVAE_DATA")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--genes", type=int, default=genes)
    return parser


def worm_neuron(data_home: Path | None, n_genes: int) -> tuple[sparse.csr_array, np.ndarray]:
    """Counts of its most variable genes, and the types of its cells."""
    data = load(resolve_home(data_home) / "scrna" / "worm_neuron.npz", labels="y")
    counts = sparse.csr_array(data.X.matrix)
    return counts[:, variable_genes(counts, n_genes)], data.labels


def read_kept(out: Path) -> list[dict[str, Any]]:
    """The results of an earlier run."""
    return json.loads(out.read_text()) if out.exists() else []


def keep(known: list[dict[str, Any]], out: Path) -> None:
    """Print the last result, and write all of them whole or not at all."""
    print(json.dumps(known[-1]), flush=True)
    with replacing(out) as temporary:
        temporary.write_text(json.dumps(known, indent=1) + "\n")
