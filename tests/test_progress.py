"""What users see while training: lines when piped, a bar on a terminal, nothing when silent; never on stdout."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest

from gmvae import GMVAE
from gmvae.history import Epoch
from gmvae.progress import Reporter


def ended(epoch: int, lower_bound_held_out: float = -12.3456) -> Epoch:
    return Epoch(
        epoch=epoch,
        lower_bound=-12.0,
        lower_bound_held_out=lower_bound_held_out,
        reconstruction=-9.0,
        conditional_prior=1.0,
        w_prior=1.5,
        z_prior=0.5,
        effective_components=2.96,
        assignment_entropy=0.1,
        learning_rate=1e-3,
        seconds=1.26,
    )


def test_a_plain_line_per_epoch_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    with Reporter(1) as reporter:
        reporter.note("compile=False: [why]")
        show = reporter.track("restart 1/2", 20)
        show(ended(1))
        show(ended(2, lower_bound_held_out=1234567.8))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "compile=False: [why]",
        "restart 1/2  epoch 1/20  held-out bound -12.346  z-prior 0.500  effective clusters 3.0  1.3 s",
        "restart 1/2  epoch 2/20  held-out bound 1234567.800  z-prior 0.500  effective clusters 3.0  1.3 s",
    ]


@pytest.mark.parametrize("verbose", [0, 1])
def test_a_bar_on_a_terminal_unless_silent(monkeypatch: pytest.MonkeyPatch, verbose: int) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for variable in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    out, err = io.StringIO(), Terminal()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    with Reporter(verbose) as reporter:
        reporter.track("fit", 20)(ended(7))
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", err.getvalue())
    assert out.getvalue() == ""
    if verbose:
        assert "7/20" in shown
        assert "held-out bound -12.346" in shown
        assert "epoch 7/20" not in shown, "a bar, no lines"
    else:
        assert err.getvalue() == ""


@pytest.mark.parametrize("verbose", [0, 1])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore::gmvae.CollapseWarning")
def test_a_fit_reports_on_stderr_alone(capfd: pytest.CaptureFixture[str], verbose: int) -> None:
    X = np.random.default_rng(0).normal(size=(40, 3))
    GMVAE(
        2, hidden_layer_sizes=(4,), max_iter=3, n_init=2, restarts_at_once=1, init="random", verbose=verbose,
        random_state=0,
    ).fit(X)  # fmt: skip
    out, err = capfd.readouterr()
    assert out == ""
    choices = ["consistency=0.0: ", "precision='32-true'", "compile=False: "]
    starts = [line[:24] for line in err.splitlines()]
    expected = [f"restart {restart}/2  epoch {epoch}/3" for restart in (1, 2) for epoch in (1, 2, 3)]
    assert [start.strip() for start in starts[3:]] == (expected if verbose else [])
    assert all(map(str.startswith, starts[:3], choices))
    assert len(starts) == (9 if verbose else 0)


@pytest.mark.parametrize("effort", ["labels", "density"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore::gmvae.CollapseWarning")
def test_a_fit_says_once_when_its_clusters_have_settled(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, effort: str
) -> None:
    monkeypatch.setattr("gmvae.training.schedule._LEAST_EPOCHS", 1)
    model = GMVAE(2, hidden_layer_sizes=(4,), max_iter=6, tol=1e9, init="random", verbose=1, effort=effort)
    model.set_params(n_iter_no_change=9, random_state=0, device="cpu").fit(np.random.default_rng(0).random((700, 3)))
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("fit")]
    (place,) = [place for place, line in enumerate(said) if line.startswith("fit: clusters have settled after")]
    assert re.fullmatch(r"fit: clusters have settled after \d+\.\d s", said[place])
    assert "epoch 3/6" in said[place - 1]
    assert len(said) == 1 + (5 if effort == "labels" else 6)
