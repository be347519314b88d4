"""The version of this package, which pyproject.toml has too."""

__version__ = "0.2.0"
