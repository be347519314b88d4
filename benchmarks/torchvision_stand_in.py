"""Empty modules where torchvision is missing, so that ClustPy can be imported."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def stand_in_for_torchvision() -> None:
    """Put empty modules where torchvision is missing, which has no build for every CPU build of torch.

    ClustPy imports it for data sets, image networks and types, none of which is used here.
    """
    if importlib.util.find_spec("torchvision") is not None:
        return
    modules = {name: _StandIn(name) for name in ("torchvision", "torchvision.datasets", "torchvision.models")}
    modules["torchvision.models._api"] = _StandIn("torchvision.models._api")
    for name, module in modules.items():
        module.__path__ = []
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(modules[parent], child, module)
    sys.modules.update(modules)
