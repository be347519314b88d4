"""Resources: memory that stays, nothing left open or running, and fits that can be interrupted at any moment."""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import gmvae.training.guidance
from gmvae import GMVAE, fit_together

Tally = Callable[[str, int], None]

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore::gmvae.CollapseWarning"),
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory and handles are read from /proc"),
]

QUICK: dict[str, Any] = {
    "n_components": 3,
    "latent_dim": 2,
    "style_dim": 1,
    "hidden_layer_sizes": (8,),
    "max_iter": 2,
    "batch_size": 32,
    "init": "random",
    "random_state": 0,
    "device": "cpu",
}
MB = 2**20


def blobs(n: int, p: int = 4) -> NDArray[Any]:
    rng = np.random.default_rng(n + p)
    return (rng.normal(size=(n, p)) + 5.0 * rng.normal(size=(3, p))[rng.integers(0, 3, n)]).astype("f4")


# ---------------------------------------------------------------- memory

_ANONYMOUS = """
import sys

def anonymous():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon"))
"""

_ASK = """
import json, threading
import numpy as np
from gmvae import GMVAE

model = GMVAE.load(sys.argv[1])
few, many = (np.load(name, mmap_mode="r") for name in sys.argv[2:4])
peak, done = 0, threading.Event()

def watch():
    global peak
    while not done.wait(0.002):
        peak = max(peak, anonymous())

found = {}
for method in ("predict", "transform", "score_samples"):
    arguments = {"n_importance_samples": 2} if method == "score_samples" else {}
    getattr(model, method)(few[:100], **arguments)
    found[method] = []
    for rows in (few, many):
        before, peak = anonymous(), 0
        done.clear()
        watcher = threading.Thread(target=watch)
        watcher.start()
        answer = getattr(model, method)(rows, **arguments)
        peak = max(peak, anonymous())
        done.set()
        watcher.join()
        assert len(answer) == len(rows)
        found[method].append([peak - before - answer.nbytes, float(answer.astype(float).mean())])
        del answer
print(json.dumps(found))
"""


def run(program: str, *arguments: object) -> Any:
    """What a Python of its own prints: only there is memory not that of other tests."""
    told = subprocess.run(
        [sys.executable, "-c", _ANONYMOUS + program, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert told.returncode == 0, told.stderr[-2000:]
    return json.loads(told.stdout.splitlines()[-1])


@pytest.mark.parametrize("n", [200_000, pytest.param(10_000_000, marks=pytest.mark.slow)])  # ten million take minutes
def test_memory_stays_whatever_the_number_of_rows(n: int, tmp_path: Path, tally: Tally) -> None:
    """Anonymous memory at its highest, less the answer, for rows on disk and for a hundredth of them."""
    GMVAE(**QUICK).fit(blobs(500)).save(tmp_path / "model")
    rows = np.lib.format.open_memmap(tmp_path / "X.npy", mode="w+", dtype="f4", shape=(n, 4))
    for first in range(0, n, 100_000):
        rows[first : first + 100_000] = blobs(100_000)[: n - first]
    rows.flush()
    np.save(tmp_path / "few.npy", rows[: n // 100])
    found = run(_ASK, tmp_path / "model", tmp_path / "few.npy", tmp_path / "X.npy")
    for method, ((few, _), (many, _)) in found.items():
        assert many < max(few, 0) + 8 * MB, (method, many, few)
    # The rows do repeat, so the means of all are those of the first.
    expected = GMVAE.load(tmp_path / "model").transform(blobs(100_000)).mean()
    np.testing.assert_allclose(found["transform"][1][1], expected, rtol=1e-3)
    tally("memory-mapped rows answered by predict, transform and score_samples in constant memory", n)


_FIT = """
import gc, json, os, threading, warnings
import numpy as np
from gmvae import GMVAE

warnings.simplefilter("ignore")
settings, n_fits = json.loads(sys.argv[1]), int(sys.argv[2])
X = np.random.default_rng(0).normal(size=(200, 4))
marks = []
for number in range(10 + n_fits):
    init = "kmeans" if number % 10 == 1 else "random"
    run_dir = f"{sys.argv[3]}-{number}" if number % 5 == 2 else None
    GMVAE(**{**settings, "max_iter": 1, "init": init, "random_state": number}).fit(X, run_dir=run_dir)
    if number >= 9 and (number - 9) % max(1, n_fits // 10) == 0:
        gc.collect()
        marks.append([anonymous(), threading.active_count(), len(os.listdir("/proc/self/fd"))])
print(json.dumps(marks))
"""


@pytest.mark.parametrize("n_fits", [30, pytest.param(1000, marks=pytest.mark.slow)])  # a thousand take minutes
def test_fits_leave_no_memory_behind(n_fits: int, tmp_path: Path, tally: Tally) -> None:
    """Flat, after ten fits to warm up: less is kept of a fit than the least it holds while it runs."""
    marks = run(_FIT, json.dumps(QUICK), n_fits, tmp_path / "run")
    memory, n_threads, n_handles = zip(*marks, strict=True)
    assert memory[-1] - memory[0] < 6 * MB, [(each - memory[0]) // 1024 for each in memory]
    assert len(set(n_threads)) == 1
    assert len(set(n_handles)) == 1
    tally("fits one after another in flat memory", n_fits)


# ---------------------------------------------------------------- threads, handles, and all that is global


def handles() -> list[str]:
    """What this process has open, by name."""
    found = []
    for handle in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{handle}"))
        except FileNotFoundError:  # the handle of the listing itself
            continue
    return sorted(found)


def surroundings() -> list[Any]:
    """All that a fit finds and must leave."""
    gc.collect()
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 -- the global generator is what is watched
    return [
        handles(),
        sorted(thread.name for thread in threading.enumerate()),
        torch.get_rng_state().tolist(),
        (name, keys.tolist(), *rest),
        random.getstate(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_default_dtype(),
        np.geterr(),
        list(warnings.filters),
        signal.getsignal(signal.SIGINT),
        dict(os.environ),
    ]


@pytest.mark.parametrize("changed", [{}, {"n_init": 3}, {"n_init": 2, "restarts_at_once": 1}, {"init": "neighbours"}])
def test_nothing_is_left_open_or_running(changed: dict[str, Any], tmp_path: Path, tally: Tally) -> None:
    X = blobs(120)
    GMVAE(**QUICK).fit(X, run_dir=tmp_path / "first")  # brings what is imported on first use
    before = surroundings()
    fitted = GMVAE(**{**QUICK, **changed}).fit(X, run_dir=tmp_path / "run")
    fitted.fit(X, run_dir=tmp_path / "run", resume=True)
    fitted.save(tmp_path / "model")
    loaded = GMVAE.load(tmp_path / "model")
    for method in ("predict", "predict_proba", "transform", "score_samples"):
        getattr(loaded, method)(X)
    assert surroundings() == before
    assert len(list((tmp_path / "run").rglob("events.out.tfevents.*"))) > 0, "TensorBoard was at work"
    tally("ways to fit, save, load and ask with nothing left open or running", 1)


# ---------------------------------------------------------------- interruptions


class _Alarm(KeyboardInterrupt):
    """As the stop button of a notebook, but known from a real one."""


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Raise in the block once so much time is over."""

    def ring(*_: object) -> None:
        raise _Alarm

    earlier = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, earlier)


def assert_as_before(estimator: GMVAE, before: dict[str, Any]) -> None:
    assert vars(estimator).keys() == before.keys()
    for name, value in before.items():
        assert vars(estimator)[name] is value, name


def test_an_interrupted_first_fit_leaves_the_estimator_unfitted(tmp_path: Path, tally: Tally) -> None:
    X = blobs(120)
    GMVAE(**QUICK).fit(X, run_dir=tmp_path / "first")
    around = surroundings()

    def stop(partial: GMVAE) -> None:
        if partial.n_iter_ == 2:
            raise KeyboardInterrupt

    for number, run_dir in enumerate((None, tmp_path / "run")):
        model = GMVAE(**QUICK)
        before = dict(vars(model))
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, run_dir=run_dir, on_epoch=stop)
        assert_as_before(model, before)
        assert surroundings() == around
        expected = GMVAE(**QUICK).fit(X)
        model.fit(X, run_dir=run_dir, resume=number == 1)
        assert np.array_equal(model.predict_proba(X), expected.predict_proba(X)), "fitted again, or resumed"
    tally("fits interrupted, with everything as before", 2)


def test_an_interrupted_fit_leaves_the_earlier_one(tally: Tally) -> None:
    """Also where the new rows have other columns; and all of several fitted together."""
    X, other = blobs(120), blobs(150, 6)

    def stop(_: GMVAE) -> None:
        raise KeyboardInterrupt

    for warm_start, rows in ((False, other), (True, X)):
        model = GMVAE(**QUICK, warm_start=warm_start).fit(X)
        before, proba, drawn = dict(vars(model)), model.predict_proba(X), model.sample(9)[0]
        with pytest.raises(KeyboardInterrupt):
            model.fit(rows, on_epoch=stop)
        assert_as_before(model, before)
        assert np.array_equal(model.predict_proba(X), proba)
        assert np.array_equal(model.sample(9)[0], drawn)
    several = [GMVAE(**{**QUICK, "random_state": seed}).fit(X) for seed in range(3)]
    expected = [each.predict_proba(X) for each in several]
    with pytest.raises(KeyboardInterrupt):
        fit_together(several, other, on_epoch=stop)
    for each, proba in zip(several, expected, strict=True):
        assert np.array_equal(each.predict_proba(X), proba)
    tally("fits interrupted, with everything as before", 3)


def test_a_fit_that_fails_leaves_the_earlier_one() -> None:
    """Values that no fit takes are found after the columns have been looked at."""
    X = (blobs(120) > 0).astype(float)
    model = GMVAE(**QUICK, likelihood="bernoulli").fit(X)
    before, proba = dict(vars(model)), model.predict_proba(X)
    with pytest.raises(ValueError, match=r"X must lie in \[0, 1\]"):
        model.fit(blobs(120, 6))
    assert_as_before(model, before)
    assert np.array_equal(model.predict_proba(X), proba)


# An interrupt may fall into a destructor, where Python can but report it; then the fit goes on, as it may.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("n", [20, pytest.param(1000, marks=pytest.mark.slow)])  # a thousand take minutes
def test_a_fit_can_be_interrupted_at_any_moment(
    n: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    monkeypatch.setattr(gmvae.training.guidance, "N_STEPS", 20)  # so that no part of a fit takes most of its time
    X, other = blobs(120), blobs(100, 6)
    model = GMVAE(**{**QUICK, "init": "neighbours", "n_init": 2})
    model.fit(X, run_dir=tmp_path / "run")
    proba = model.predict_proba(X)
    around, rng = surroundings(), np.random.default_rng(0)
    n_interrupted, n_left, longest = 0, 0, 1.0
    for number in range(n):
        before = dict(vars(model))
        run_dir = tmp_path / f"other-{number}" if number % 2 else None
        settings = {"init": ("neighbours", "random", "kmeans", "gmm")[number % 4], "n_init": 1 + number // 4 % 2}
        attempt = model.set_params(**settings)
        before |= settings
        try:
            with interrupted_after(rng.uniform(0.0005, longest) ** 2):
                attempt.fit(other, run_dir=run_dir)
        except _Alarm:
            n_interrupted += 1
            assert_as_before(model, before)
            assert np.array_equal(model.predict_proba(X), proba), number
        else:
            longest *= 0.9
            model = GMVAE(**{**QUICK, "init": "neighbours", "n_init": 2}).fit(X)
            assert np.array_equal(model.predict_proba(X), proba)
        now = surroundings()
        if now != around:
            n_left, around = n_left + 1, now
    assert n_interrupted >= n // 4
    assert n_left <= 1 + n // 200, "one between two lines of another library may leave something, such as a thread"
    assert not list(tmp_path.rglob(".tmp-*"))
    model.fit(other, run_dir=tmp_path / "other")
    assert np.array_equal(model.predict(other), model.labels_)
    tally("fits interrupted, with everything as before", n_interrupted)
