"""Networks, target updates and losses that algorithms share."""

from zoo_core.nn.compiling import compilable, compiling
from zoo_core.nn.noise import normal_rows
from zoo_core.nn.stacked import Norm, StackedBatchNorm, StackedLayerNorm, StackedLinear, StackedMLP
from zoo_core.nn.targets import expectile_loss, target_copy

__all__ = [
    "Norm",
    "StackedBatchNorm",
    "StackedLayerNorm",
    "StackedLinear",
    "StackedMLP",
    "compilable",
    "compiling",
    "expectile_loss",
    "normal_rows",
    "target_copy",
]
