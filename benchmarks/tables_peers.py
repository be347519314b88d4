"""StepMix or k-prototypes on one table, in an interpreter that has it: `tables_peers.py METHOD FILE`.

FILE is an npz with train (n, p) and test (m, p), numbers first and then categories as numbers of their levels, NaN for
gaps, n_numbers, n_levels, K, and the least variance of every number that densities are taken with. What was found takes
its place: clusters of the training rows, the log-likelihood of every test row, training rows with their gaps filled,
seconds.
"""

import sys
import time

import numpy as np


def stepmix(train, test, n_numbers, n_levels, K, least, full):
    """Clusters, held-out log-likelihoods in the units of the rows given, and rows with their gaps filled."""
    from stepmix.stepmix import StepMix

    n_categories = len(n_levels)
    kind = "gaussian_full" if full else "gaussian_diag_nan"
    parts = {"numbers": (kind, n_numbers), "categories": ("categorical_nan", n_categories)}
    measurement = {name: {"model": model, "n_columns": n} for name, (model, n) in parts.items() if n}
    settings = {"n_init": 3, "max_iter": 300, "abs_tol": 1e-4, "random_state": 0, "progress_bar": 0}
    model = StepMix(K, measurement=measurement, **settings)
    model.fit(train)
    emissions = model._mm.models
    if n_numbers and not full:  # of equal values StepMix learns a variance of 0, whose density has no bound
        numbers = emissions["numbers"].parameters
        learned, numbers["covariances"] = numbers["covariances"], np.maximum(numbers["covariances"], least)
    log_weights = np.log(model.weights_)
    joint = emissions_of(emissions, test, n_numbers) + log_weights
    top = joint.max(1, keepdims=True)
    log_likelihood = top[:, 0] + np.log(np.exp(joint - top).sum(1))
    if n_numbers and not full:
        numbers["covariances"] = learned
    proba = model.predict_proba(train)
    filled = train.copy()
    gaps = np.isnan(train)
    if n_numbers and not full:
        means = proba @ emissions["numbers"].parameters["means"]
        filled[:, :n_numbers] = np.where(gaps[:, :n_numbers], means, train[:, :n_numbers])
    if n_categories:
        of_levels = (proba @ emissions["categories"].parameters["pis"]).reshape(len(train), n_categories, -1)
        filled[:, n_numbers:] = np.where(gaps[:, n_numbers:], of_levels.argmax(2), train[:, n_numbers:])
    return model.predict(train), log_likelihood, filled


def emissions_of(emissions, rows, n_numbers):
    """log p(y|z) of rows (n, K)."""
    parts = {"numbers": rows[:, :n_numbers], "categories": rows[:, n_numbers:]}
    return sum(emission.log_likelihood(parts[name]) for name, emission in emissions.items())


def kprototypes(train, test, n_numbers, n_levels, K):
    """Clusters of rows without gaps."""
    from kmodes.kprototypes import KPrototypes

    model = KPrototypes(K, n_init=3, random_state=0)
    labels = model.fit_predict(train, categorical=list(range(n_numbers, train.shape[1])))
    return labels, np.full(len(test), np.nan), train


def main():
    """Read the table, do what is asked, and write what was found in its place."""
    method, path = sys.argv[1:]
    with np.load(path) as arrays:
        given = {name: arrays[name] for name in arrays}
    train, test = given["train"], given["test"]
    n_numbers, n_levels, K = int(given["n_numbers"]), given["n_levels"], int(given["K"])
    started = time.perf_counter()
    if method == "k-prototypes":
        found = kprototypes(train, test, n_numbers, n_levels, K)
    else:
        found = stepmix(train, test, n_numbers, n_levels, K, given["least"], full=method == "StepMix, full covariance")
    seconds = time.perf_counter() - started
    np.savez(path, labels=found[0], log_likelihood=found[1], filled=found[2], seconds=seconds)


if __name__ == "__main__":
    main()
