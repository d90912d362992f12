"""Datasets: building, opening, sampling, importing and exporting them.

Names are imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_EXPORTS = {
    "zoo_core.data.build": ("Build", "build_dataset"),
    "zoo_core.data.card": ("Card",),
    "zoo_core.data.catalogue": ("ensure", "open_dataset", "resolve_dataset", "stored_datasets"),
    "zoo_core.data.collecting": ("collect_dataset",),
    "zoo_core.data.correlation": ("ActionCorrelation", "action_correlation"),
    "zoo_core.data.dataset": ("Dataset",),
    "zoo_core.data.exporters.minari": ("export_minari",),
    "zoo_core.data.importers": ("ImportOptions", "import_dataset"),
    "zoo_core.data.restricted": ("safe_torch_load",),
    "zoo_core.data.rollouts": ("collect",),
    "zoo_core.data.sampling": ("Sampler",),
    "zoo_core.data.views": ("episodes", "load", "transitions"),
    "zoo_core.data.writer": ("EpisodeWriter",),
}
_HOME = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = [
    "ActionCorrelation",
    "Build",
    "Card",
    "Dataset",
    "EpisodeWriter",
    "ImportOptions",
    "Sampler",
    "action_correlation",
    "build_dataset",
    "collect",
    "collect_dataset",
    "ensure",
    "episodes",
    "export_minari",
    "import_dataset",
    "load",
    "open_dataset",
    "resolve_dataset",
    "safe_torch_load",
    "stored_datasets",
    "transitions",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'zoo_core.data' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


if TYPE_CHECKING:
    from zoo_core.data.build import Build, build_dataset
    from zoo_core.data.card import Card
    from zoo_core.data.catalogue import ensure, open_dataset, resolve_dataset, stored_datasets
    from zoo_core.data.collecting import collect_dataset
    from zoo_core.data.correlation import ActionCorrelation, action_correlation
    from zoo_core.data.dataset import Dataset
    from zoo_core.data.exporters.minari import export_minari
    from zoo_core.data.importers import ImportOptions, import_dataset
    from zoo_core.data.restricted import safe_torch_load
    from zoo_core.data.rollouts import collect
    from zoo_core.data.sampling import Sampler
    from zoo_core.data.views import episodes, load, transitions
    from zoo_core.data.writer import EpisodeWriter
