"""Where fits of tables with numbers and categories start: `python benchmarks/mixed_starts.py --draws 2`.

Seven tables of numbers with known groups, among them bent and correlated ones, get categories or answers: random ones,
which tell nothing, and such as tell the groups; then come made mixtures of normals with categories beside them, and
categories beside numbers that tell nothing or little. What is told of each is the agreement (ARI) of the starting
clusters with the groups, beside that of k-means and a Gaussian mixture of standardised numbers and 0/1 columns of the
levels. ``--gaps 0.2`` hides a fifth of the entries, which these two get as means. No fit is trained.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from discrete_starts import compare
from sklearn.datasets import load_digits, load_iris, load_wine, make_blobs, make_moons
from sklearn.preprocessing import StandardScaler
from tables_sets import Made, covariances, hidden, levels

from gmvae.data.sets import resolve_home

Named = tuple[str, pd.DataFrame, np.ndarray]
N = 1500


def numbers(home: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Tables of numbers, the same in every draw."""
    rng = np.random.default_rng(0)
    digits, iris, wine = load_digits(), load_iris(), load_wine()
    yield "digits", digits.data, digits.target
    with np.load(home / "tabular" / "pendigits.npz") as pendigits:
        yield "pendigits", pendigits["X_train"][:3000].astype(float), pendigits["y_train"][:3000]
    yield "wine", wine.data, wine.target
    yield "iris", iris.data + rng.normal(0.0, 0.01, iris.data.shape), iris.target
    X, y = make_moons(N, noise=0.06, random_state=0)
    yield "two moons", np.c_[X, X @ rng.normal(size=(2, 4))] + rng.normal(0.0, 0.03, (N, 6)), y
    y, axes = rng.integers(0, 3, N), rng.normal(size=(3, 5, 5))
    yield "correlated", np.einsum("nij,nj->ni", axes[y], rng.normal(size=(N, 5))) + 3.0 * np.eye(3, 5)[y], y
    yield "blobs", *make_blobs(1200, 6, centers=4, cluster_std=2.5, random_state=1)


def beside(rng: np.random.Generator, X: np.ndarray, y: np.ndarray) -> Iterator[tuple[str, pd.DataFrame]]:
    """The same with other columns."""
    n, frame = len(y), pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])

    def telling() -> np.ndarray:
        return np.where(rng.random(n) < 0.3, rng.integers(0, y.max() + 1, n), y)

    yield "a rare answer", frame.assign(a=rng.random(n) < 0.03)
    yield "an even answer", frame.assign(a=rng.random(n) < 0.5)
    yield "two random categories", frame.assign(a=rng.choice([*"pqr"], n), b=rng.choice([*"stuv"], n))
    yield "a telling category", frame.assign(a=[f"level {k}" for k in telling()])
    yield "three telling categories", frame.assign(**{name: [f"level {k % 3}" for k in telling()] for name in "abc"})


def mixtures(rng: np.random.Generator) -> Iterator[Named]:
    """Normals of any number, and categories of which each group has shares of its own."""
    for _ in range(12):
        K, p, q = (int(rng.integers(*span)) for span in ((2, 6), (2, 9), (1, 7)))
        means, sizes = rng.choice([0.8, 1.5, 2.5]) * rng.normal(size=(K, p)), tuple(rng.integers(2, 6, q).tolist())
        made = Made(rng.dirichlet(np.full(K, 5.0)), means, covariances(rng, K, p), levels(rng, K, sizes, 1.0))
        table = made.draw(rng)
        yield f"{K} groups, {p} numbers, {q} categories", framed(table.rows, p), table.y


def telling_categories(rng: np.random.Generator) -> Iterator[Named]:
    """Categories that tell three groups, beside numbers that tell nothing, and little."""
    for q, p in ((4, 3), (6, 2), (3, 8), (8, 10)):
        y = rng.integers(0, 3, N)
        shares = rng.dirichlet(np.full(3, 0.4), (q, 3))
        codes = np.stack([[rng.choice(3, p=each[k]) for k in y] for each in shares], axis=1)
        for words, weight in (("no", 0.0), ("weak", 0.9)):
            X = rng.normal(size=(N, p)) + weight * rng.normal(size=(3, p))[y]
            yield f"{q} categories, {p} {words} numbers", framed(np.c_[X, codes], p), y


def framed(rows: np.ndarray, n_numbers: int) -> pd.DataFrame:
    """Numbers, and categories as text."""
    frame = pd.DataFrame(rows, columns=[f"x{i}" for i in range(rows.shape[1])])
    return frame.assign(**{name: [f"level {int(v)}" for v in frame[name]] for name in frame.columns[n_numbers:]})


def tables(draw: int, home: Path) -> Iterator[Named]:
    """All of them."""
    rng = np.random.default_rng(draw)
    for name, X, y in numbers(home):
        yield from ((f"{name}, {words}", frame, y) for words, frame in beside(rng, X, y))
    yield from mixtures(rng)
    yield from telling_categories(rng)


def with_gaps(frame: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """The same with a share of the entries hidden at random; answers are then of any type."""
    if not share:
        return frame
    answers = dict.fromkeys(frame.select_dtypes(bool).columns, object)
    return frame.astype(answers).mask(hidden(np.zeros(frame.shape), share, seed))


def encoded(frame: pd.DataFrame) -> np.ndarray:
    """Standardised numbers, gaps as means, and 0/1 columns of the levels."""
    of_numbers = frame.select_dtypes("number").to_numpy(float)
    filled = np.where(np.isnan(of_numbers), np.nanmean(of_numbers, axis=0), of_numbers)
    levels = pd.get_dummies(frame.select_dtypes(exclude="number").astype(object)).to_numpy(float)
    return np.c_[StandardScaler().fit_transform(filled), levels]


def main() -> None:
    """Compare all draws."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--gaps", type=float, default=0.0)
    parser.add_argument("--data", type=Path, help="folder of data sets; by default GMVAE_DATA")
    asked = parser.parse_args()
    found = (
        (f"{draw}  {name}", with_gaps(complete, asked.gaps, draw), y)
        for draw in range(asked.draws)
        for name, complete, y in tables(draw, resolve_home(asked.data))
    )
    compare((name, frame, encoded(frame), y) for name, frame, y in found)


if __name__ == "__main__":
    main()
