"""The command line. Importing it is light: torch and the rooms that need it wait until a command runs."""

from gmvae.cli import choose_k, data, demo, evaluate, fit, impute, info, predict, reproduce, sample  # noqa: F401 - they add their commands
from gmvae.cli.app import app, main

__all__ = ["app", "main"]
