"""Hooks of zoo-dof."""

from zoo_core import AlgorithmEntry, Source, hookimpl

PAPER = "Li et al. 2025, DoF: A Diffusion Factorization Framework for Offline Multi-Agent Reinforcement Learning"
URL, CODE = "https://openreview.net/forum?id=OTFKVkxSlL", "https://github.com/xmu-rl-3dv/DoF"


@hookimpl
def zoo_algorithms():
    return [
        AlgorithmEntry(
            name="dof-trajectory",
            summary="DoF-Trajectory: agents plan their own next observations by one factorised diffusion model.",
            factory="zoo_dof.trajectory:DoFTrajectory",
            source=Source(PAPER, URL, "noise and data factorisation; the trajectory form", CODE),
            settings="zoo_dof:trajectory.yaml",
            actions=("continuous",),
            needs=("windows", "statistics"),
            table_column="None: SPaCQL's DoF is taken to be dof-policy.",
        ),
        AlgorithmEntry(
            name="dof-policy",
            summary="DoF-Policy: policies are parts of one factorised diffusion model and ascend their values.",
            factory="zoo_dof.policy:DoFPolicy",
            source=Source(PAPER, URL, "noise and data factorisation; the policy form", CODE),
            settings="zoo_dof:policy.yaml",
            actions=("continuous",),
            needs=("rows", "statistics"),
            table_column="DoF in Table 2 of SPaCQL, which names no form; the release has all three tasks in this one",
        ),
    ]
