"""Settings of DoF-Trajectory."""

from __future__ import annotations

from dataclasses import dataclass

from zoo_core import AlgorithmConfig, setting
from zoo_dof.diffusion import SCHEDULES

CODE = "DoF DoF_Trajectory"


@dataclass(frozen=True)
class DoFTrajectoryConfig(AlgorithmConfig):
    iterations: int = setting(10_000, "Updates.", source="our choice")
    batch_size: int = setting(256, "Windows in a batch.", source="our choice")
    lr: float = setting(2e-3, "Adam's rate.", source="our choice", at_least=1e-12)
    schedule: str = setting(
        "cosine",
        "Whether the rate stays (constant) or decays to zero along a cosine.",
        source="our choice",
        choices=("constant", "cosine"),
    )
    ema: float = setting(
        0.01,
        "How far the weights that act move to those that learn.",
        source="our choice: runs are shorter",
        at_least=0,
        at_most=1,
    )
    noise_factorisation: str = setting(
        "concat",
        "f: agents' noises side by side (concat), or each with a learned weight (w-concat).",
        source="the paper's f",
        choices=("concat", "w-concat"),
    )
    data_factorisation: str = setting(
        "concat",
        "h: agents' plans side by side (concat), or each with a learned weight (w-concat).",
        source="the paper's h",
        choices=("concat", "w-concat"),
    )
    share: bool = setting(
        False, "One network for all agents instead of one for each.", source="the paper: one model for each"
    )
    horizon: int = setting(8, "Observations in a plan, the present one among them.", source="our choice", at_least=2)
    relative: bool = setting(
        True,
        "Plan what is to come as the way there from the present, each feature of each step in its own deviations.",
        source="our choice: one step changes a position little, and actions must be read off it",
    )
    network: str = setting(
        "flat",
        "A perceptron of the whole plan (flat), or a U-net along time (unet).",
        source="our choice: it learns in minutes on a CPU",
        choices=("flat", "unet"),
    )
    hidden: int = setting(
        256, "Width of the perceptron's layers; channels of the U-net's first level.", source="our choice", at_least=1
    )
    inverse_hidden: int = setting(
        128, "Width of both hidden layers of the inverse model.", source="our choice", at_least=1
    )
    multipliers: tuple[int, ...] = setting((1, 4, 8), "Channels of the U-net's levels, in `hidden`.", source=CODE)
    predicts: str = setting(
        "velocity",
        "What the network guesses: the noise, or the velocity √ᾱ ε − √(1 − ᾱ) x_0, from which noise and plan follow.",
        source="our choice: a loss on noise teaches next to nothing where there is little but noise",
        choices=("noise", "velocity"),
    )
    embedding: int = setting(
        16, "Size of the embeddings of level and label, an even number.", source="our choice", at_least=4
    )
    diffusion: str = setting("cosine", "The schedule of noise.", source=CODE, choices=SCHEDULES)
    diffusion_steps: int = setting(200, "T: levels of noise.", source=CODE, at_least=1)
    sampler: str = setting(
        "ddim",
        "The way back from noise: without further noise (ddim) or with (ddpm).",
        source="DoF's settings have it; its code overwrites the choice",
        choices=("ddim", "ddpm"),
    )
    sampling_steps: int = setting(10, "Steps of the way back.", source="our choice; 15 in DoF's settings", at_least=1)
    temperature: float = setting(
        0.5, "Size of the noise that sampling starts from, and of what ddpm adds.", source=CODE, at_least=0
    )
    bound: float = setting(
        4.0, "Largest size of a clean plan's features, in deviations.", source="our choice", at_least=0.1
    )
    discount: float = setting(0.99, "γ of the returns that label plans.", source=CODE, at_least=0, at_most=1)
    label_dropout: float = setting(0.25, "Share of labels that are hidden.", source=CODE, at_least=0, at_most=1)
    guidance: float = setting(1.2, "w: 0 plans without a label, 1 with it, more beyond it.", source=CODE, at_least=0)
    target_return: float = setting(
        1.0,
        "What to plan for: 0 the data's mean return, 1 its best.",
        source="our choice; DoF takes 0.9 of a scale for each task",
    )
    inverse_label: bool = setting(
        True,
        "Show the label to the inverse model too.",
        source="our choice: what two observations leave open, the label may decide",
    )
