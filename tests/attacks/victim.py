"""A process that trains until it is killed; the processes of the attacks are forked from one that has imported it."""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from gmvae import GMVAE
from gmvae.cli import main

FILE_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate"}


def rows() -> np.ndarray:
    rng = np.random.default_rng(0)
    return 4.0 * np.eye(3, 4)[rng.integers(3, size=90)] + rng.normal(0, 0.5, (90, 4))


def estimator(n_init: int = 2) -> GMVAE:
    return GMVAE(
        3,
        latent_dim=2,
        style_dim=1,
        hidden_layer_sizes=(8,),
        max_iter=6,
        n_iter_no_change=6,
        n_init=n_init,
        restarts_at_once=1,
        init="random",
        random_state=0,
        device="cpu",
    )


def fit(folder: Path, **changed: Any) -> None:
    """Begin a run or go on with it, and write the model beside it."""
    warnings.simplefilter("ignore")
    run = folder / "run"
    model = estimator().fit(rows(), run_dir=run, resume=(run / "config.json").exists(), **changed)
    model.save(folder / "model.safetensors")


def fit_until_event(folder: Path, n: int) -> None:
    """The same, killed right before it touches the files of its folder for the n-th time."""
    left = n

    def kill(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in FILE_EVENTS and arguments and str(arguments[0]).startswith(str(folder)):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(kill)
    fit(folder)


def command(folder: Path, *arguments: str) -> None:
    """The command line, with what it says in files."""
    for stream, name in ((sys.stdout, "out"), (sys.stderr, "err")):
        with (folder / name).open("wb") as file:
            os.dup2(file.fileno(), stream.fileno())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["gmvae", *arguments]
    main()


def command_that_is_ended(folder: Path, place: str, *arguments: str) -> None:
    """The command line, which gets a SIGTERM once it calls a function ``place``."""

    def end(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    module, _, name = place.rpartition(".")
    try:
        owner = import_module(module)
    except ModuleNotFoundError:
        package, _, inner = module.rpartition(".")
        owner = getattr(import_module(package), inner)
    setattr(owner, name, end)
    command(folder, *arguments)
