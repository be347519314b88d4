"""The command line. Importing it is light: torch and the rooms that need it wait until a command runs."""

from gmvae.cli import (  # noqa: F401 - they add their commands
    choose_k,
    data,
    demo,
    describe,
    evaluate,
    export,
    fit,
    impute,
    info,
    predict,
    report,
    reproduce,
    sample,
)
from gmvae.cli.app import app, main

__all__ = ["app", "main"]
