"""Numbers, shares, cells and colours as a page shows them."""

from __future__ import annotations

from typing import Any

_MISSING = "–"
SCORE_WORDS = {
    "accuracy_exemplar": ("Accuracy, by exemplars", "each cluster takes the class of its surest row"),
    "accuracy_hungarian": ("Accuracy, one to one", "each cluster is matched to a class of its own"),
    "accuracy_majority": ("Accuracy, by majority", "each cluster takes its most frequent class"),
    "nmi": ("NMI", "normalised mutual information"),
    "ari": ("ARI", "adjusted Rand index"),
    "calibration_error": ("Calibration error", "mean gap between probability and accuracy"),
    "n_classes": ("Classes", "among the labels"),
    "n_components_used": ("Clusters", "with at least one row"),
}
"""Title and meaning of every score against labels."""
_BRIGHT = 0.15
"""Luminance that a colour has at least on a dark ground: a contrast of 3 to 1; more makes colours alike."""


def shown_number(value: float | None) -> str:
    """A number to four digits, from 1,000 on to whole ones.

    Examples
    --------
    >>> [shown_number(value) for value in (None, 3, 0.123456, 1234567.8, 1e-9)]
    ['–', '3', '0.1235', '1,234,568', '1e-09']
    """
    if value is None or value != value:
        return _MISSING
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}" if abs(value) < 1e15 else f"{value:.4g}"
    return f"{value:.4g}"


def shown_share(value: float | None) -> str:
    """A share in percent, which is 0% or 100% only where it is exactly so.

    Examples
    --------
    >>> [shown_share(value) for value in (None, 0.0, 0.0001, 0.1234, 0.99999, 1.0)]
    ['–', '0%', '<0.1%', '12.3%', '>99.9%', '100%']
    """
    if value is None or value != value:
        return _MISSING
    if value in (0.0, 1.0):
        return f"{value:.0%}"
    if value < 0.0005:
        return "<0.1%"
    return ">99.9%" if value > 0.9995 else f"{value:.1%}"


def shown_cell(value: Any) -> str:
    """A value of a row: text as it is, numbers to four digits."""
    if value is None:
        return _MISSING
    return shown_number(value) if isinstance(value, int | float) else str(value)


def on_dark(hue: str) -> str:
    """A colour, mixed with white until it can be seen on a dark ground.

    Examples
    --------
    >>> on_dark("#e69f00"), on_dark("#000000")
    ('#e69f00', '#737373')
    """
    channels = [int(hue[i : i + 2], 16) for i in (1, 3, 5)]
    weight = 0.0
    while weight < 1.0 and _luminance([c + weight * (255 - c) for c in channels]) < _BRIGHT:
        weight += 0.05
    return "#" + "".join(f"{round(c + weight * (255 - c)):02x}" for c in channels)


def _luminance(channels: list[float]) -> float:
    """Relative luminance, as WCAG defines it, with the exponent 2.2."""
    red, green, blue = ((channel / 255) ** 2.2 for channel in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
