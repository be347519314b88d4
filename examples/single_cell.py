"""From an .h5ad file with raw counts to clusters, a map and markers: `python examples/single_cell.py cells.h5ad`.

Needs `pip install 'gmvae[anndata]'`; the map is UMAP's where umap-learn is installed, else principal components of the
embedding. Writes cells-gmvae.h5ad, cells-map.png and cells-markers.csv beside the file.
"""

from __future__ import annotations

import argparse
import math
from importlib.util import find_spec
from pathlib import Path

import anndata
import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA

from gmvae import fit_anndata, markers


def plane(embedding: np.ndarray) -> tuple[np.ndarray, str]:
    """Places of cells in two dimensions, and the name of the axes."""
    if find_spec("umap") is None:
        return PCA(2).fit_transform(embedding), "principal component"
    from umap import UMAP

    return UMAP(random_state=0, n_jobs=1).fit_transform(embedding), "UMAP"


def main() -> None:
    """Fit, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--layer", help="the layer with raw counts; by default X")
    parser.add_argument("--clusters", type=int, default=10)
    parser.add_argument("--batch", help="column of obs with experimental batches")
    asked = parser.parse_args()
    adata = anndata.read_h5ad(asked.file)
    model = fit_anndata(adata, asked.clusters, layer=asked.layer, batch_key=asked.batch, random_state=0, verbose=1)
    adata.obsm["X_map"], axis = plane(adata.obsm["X_gmvae"])
    named = asked.file.with_suffix("")
    figure, axes = plt.subplots(figsize=(7, 6), layout="constrained")
    clusters = adata.obs["gmvae"].cat.categories
    colours = plt.get_cmap("tab10").colors if len(clusters) <= 10 else plt.cm.turbo(np.linspace(0, 1, len(clusters)))
    for cluster, colour in zip(clusters, colours, strict=False):
        places = adata.obsm["X_map"][(adata.obs["gmvae"] == cluster).to_numpy()]
        axes.scatter(*places.T, s=3, color=colour, label=cluster)
    axes.set(xlabel=f"{axis} 1", ylabel=f"{axis} 2")
    figure.legend(title="cluster", markerscale=4, ncols=math.ceil(len(clusters) / 20), loc="outside right")
    figure.savefig(f"{named}-map.png", dpi=150)
    table = markers(model, adata, layer=asked.layer)
    table.to_csv(f"{named}-markers.csv", index=False)
    adata.write_h5ad(f"{named}-gmvae.h5ad")
    print(table.groupby("cluster").head(3).to_string(index=False))


if __name__ == "__main__":
    main()
