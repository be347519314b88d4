"""A colour and a marker per component, distinguishable with colour blindness too."""

from __future__ import annotations

from matplotlib.colors import to_hex, to_rgb

COLOURS = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#4410c0",
    "#8a2000",
    "#e5d530",
    "#1a1a1a",
)
"""Six colours of Okabe and Ito, and four that are as far from them and each other, under simulated protanopia,
deuteranopia and tritanopia, as those six are."""

_TOWARDS = ((0.0, 0.0), (1.0, 0.4), (0.0, 0.4))
"""Grey level and weight with which each further ten components are mixed: unchanged, lighter, darker."""

_MARKERS = ("o", "^", "s", "D", "v", "P", "X", "<", ">")


def colour(component: int) -> str:
    """Return a component's colour; beyond ten the colours repeat lighter, then darker."""
    grey, weight = _TOWARDS[component // len(COLOURS) % len(_TOWARDS)]
    red, green, blue = ((1 - weight) * channel + weight * grey for channel in to_rgb(COLOURS[component % len(COLOURS)]))
    return to_hex((red, green, blue))


def marker(component: int) -> str:
    """Return a component's marker: the same for every ten components."""
    return _MARKERS[component // len(COLOURS) % len(_MARKERS)]
