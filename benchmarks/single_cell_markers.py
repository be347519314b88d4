"""Markers of clusters by gmvae and by scanpy: `python benchmarks/single_cell_markers.py CELLS.h5ad MARKERS.csv`.

Both files are those that `examples/single_cell.py` writes. scanpy's `rank_genes_groups` tests the same clusters by
Wilcoxon's test on log-normalised counts of the same genes; what is told is how many of the most telling genes both
have, cluster by cluster, and how many would by chance. It needs scanpy beside gmvae. See docs/single-cell.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import scanpy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", type=Path)
    parser.add_argument("markers", type=Path)
    parser.add_argument("--layer", help="the layer with raw counts; by default X")
    parser.add_argument("--key", default="gmvae")
    asked = parser.parse_args()
    adata = scanpy.read_h5ad(asked.cells)
    ours = pd.read_csv(asked.markers, dtype={"cluster": str})
    genes = [name for name in adata.uns[asked.key]["genes"] if name in adata.var_names]
    if asked.layer is not None:
        adata.X = adata.layers[asked.layer]
    scanpy.pp.normalize_total(adata)
    scanpy.pp.log1p(adata)
    adata = adata[:, genes].copy()
    scanpy.tl.rank_genes_groups(adata, asked.key, method="wilcoxon")
    print("cluster    cells" + "".join(f"  of {n:>3}" for n in (5, 10, 20)))
    shares = []
    for cluster in adata.obs[asked.key].cat.categories:
        theirs = scanpy.get.rank_genes_groups_df(adata, cluster)["names"].tolist()
        own = ours.loc[ours["cluster"] == cluster, "gene"].tolist()
        both = [len({*own[:n]} & {*theirs[:n]}) for n in (5, 10, 20)]
        n_cells = int((adata.obs[asked.key] == cluster).sum())
        print(f"{cluster:>7}  {n_cells:>7}" + "".join(f"  {each:>6}" for each in both))
        shares.append(np.array(both) / (5, 10, 20))
    mean = np.mean(shares, axis=0)
    print("   mean         " + "".join(f"  {share:>6.0%}" for share in mean))
    print(f"by chance       {''.join(f'  {n / len(genes):>6.1%}' for n in (5, 10, 20))}")


if __name__ == "__main__":
    main()
