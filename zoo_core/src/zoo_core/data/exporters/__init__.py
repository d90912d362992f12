"""Writing datasets in formats that other libraries read."""

from __future__ import annotations

EXPORTERS = {"minari": "a local Minari dataset, which `minari.load_dataset` reads"}
