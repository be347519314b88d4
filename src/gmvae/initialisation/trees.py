"""Clusters by trees of merged rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.cluster.hierarchy import leaves_list


def tree_clusters(tree: np.ndarray, numbers: Sequence[int]) -> list[np.ndarray]:
    """Clusters (n,) of every number, from 2 on, in a tree of SciPy's `linkage`; its own `cut_tree` takes far longer."""
    n = len(tree) + 1
    order = leaves_list(tree)  # the rows below a node stand side by side
    first = {2 * n - 2: 0}  # of each cluster, by its node
    found = {}
    for number in range(2, max(numbers) + 1):
        node = 2 * n - number  # the last merge that has not been undone
        left, right = tree[node - n, :2].astype(int)
        first[left] = first.pop(node)
        first[right] = first[left] + (1 if left < n else int(tree[left - n, 3]))
        sizes = np.diff([*sorted(first.values()), n])
        found[number] = np.empty(n, dtype=np.int64)
        found[number][order] = np.repeat(np.arange(number), sizes)
    return [found[number] for number in numbers]
