"""Domains: which values a parameter may take, in a sentence that an error can quote; the largest number in data."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, cast, get_args

LARGEST = 1e150
"""Largest number in data: its square can be summed over rows in float64."""


@dataclass(frozen=True)
class Domain:
    """The values that a parameter may take: an interval of numbers, words, or whatever a predicate holds of.

    ``says`` ends the sentence "`name` must be …". Numbers lie between ``low`` and ``high``, which belong to the domain
    unless open; ``choices`` are words beside numbers, or in place of them if not ``numeric``; ``optional`` allows None.
    A ``predicate`` replaces all this but the words. ``type_name`` is given where the type cannot be derived.
    """

    says: str
    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False
    integral: bool = False
    choices: tuple[str, ...] = ()
    numeric: bool = True
    optional: bool = False
    predicate: Callable[[object], bool] | None = None
    type_name: str = ""

    @property
    def type(self) -> str:
        """The type as a docstring names it."""
        words = ", ".join(f'"{choice}"' for choice in self.choices)
        if self.type_name or not self.numeric:
            return self.type_name or f"{{{words}}}"
        number = "int" if self.integral else "float"
        return " or ".join(filter(None, (number, words, "None" if self.optional else "")))

    def holds(self, value: object) -> bool:
        """Whether ``value`` lies in the domain."""
        if self.predicate is not None:
            return (isinstance(value, str) and value in self.choices) or self.predicate(value)
        if value is None:
            return self.optional
        if isinstance(value, str):
            return value in self.choices
        kind = Integral if self.integral else Real
        if not self.numeric or isinstance(value, bool) or not isinstance(value, kind):
            return False
        number = cast(Any, value)
        above = number > self.low if self.low_open else number >= self.low
        below = number < self.high if self.high_open else number <= self.high
        return above and below

    def or_auto(self) -> Domain:
        """The domain and the word 'auto'."""
        type_name = f'{self.type_name} or "auto"' if self.type_name else ""
        return dataclasses.replace(self, says=f"{self.says} or 'auto'", choices=("auto",), type_name=type_name)

    def or_none(self) -> Domain:
        """The domain and None."""
        return dataclasses.replace(self, says=f"{self.says} or None", optional=True)


def require(name: str, domain: Domain, value: object) -> None:
    """Raise a one-sentence ``ValueError`` unless ``value`` lies in ``domain``."""
    if not domain.holds(value):
        raise ValueError(f"`{name}` must be {domain.says}; got {value!r}.")


def first_of(names: Sequence[str], most: int = 12) -> str:
    """Names as a sentence lists them, and an ellipsis where there are more."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def integer(low: int) -> Domain:
    """Integers from ``low`` on."""
    return Domain(f"an integer of at least {low}", low=low, integral=True)


def choice(alias: Any) -> Domain:
    """The words of a ``Literal``."""
    choices = get_args(alias)
    return Domain("one of " + ", ".join(map(repr, choices)), choices=choices, numeric=False)


POSITIVE = Domain("a positive number", low=0.0, low_open=True, high_open=True)
NON_NEGATIVE = Domain("a number of at least 0", low=0.0, high_open=True)
SHARE = Domain("a number in [0, 1]", low=0.0, high=1.0)
SHARE_BELOW_ONE = Domain("a number in [0, 1)", low=0.0, high=1.0, high_open=True)
TRUTH = Domain("True or False", predicate=lambda value: isinstance(value, bool), type_name="bool")
TRUTH_OR_AUTO = dataclasses.replace(TRUTH.or_auto(), says="True, False or 'auto'")
DEVICE = Domain(
    "'auto', 'cpu', 'cuda' or 'cuda:N'",
    predicate=lambda value: isinstance(value, str) and bool(re.fullmatch(r"auto|cpu|cuda(:[0-9]+)?", value)),
    type_name="str",
)
_SEED = Domain("an integer in [0, 2**32)", low=0, high=2**32 - 1, integral=True, optional=True)
SEED = Domain(
    "None, an integer in [0, 2**32) or a numpy RandomState",
    # A RandomState has `randint`; numpy is not imported here to ask it by type.
    predicate=lambda value: _SEED.holds(value) or hasattr(value, "randint"),
    type_name="int, RandomState or None",
)
WIDTHS = Domain(
    "a non-empty tuple of integers of at least 1",
    predicate=lambda value: (
        isinstance(value, tuple | list) and bool(value) and all(integer(1).holds(width) for width in value)
    ),
    type_name="tuple of int",
)


def pair_of_modules(value: object) -> bool:
    """Whether a value is a pair of torch modules; torch is not imported here to ask it by type."""
    return isinstance(value, tuple) and len(value) == 2 and all(hasattr(part, "state_dict") for part in value)


def builtin(value: object) -> Any:
    """Numbers of other types, such as numpy's, as Python's own: theirs overflow in arithmetic on sizes."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return value
    return int(value) if isinstance(value, Integral) else float(value)
