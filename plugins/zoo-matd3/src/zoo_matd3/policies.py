"""What training leaves behind: policies (actors alone) and records of what the learner did, as safetensors.

A file is a function of the run: it holds no time and no machine. Its metadata has one key, `about`, a JSON object.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from zoo_core import TeamSpec
from zoo_matd3.algorithm import MATD3
from zoo_matd3.training import Recorder

PARTS = ("weight", "bias")


def save_policy(path: Path, learner: MATD3, about: Mapping[str, Any]) -> str:
    """Write the actors: `<layer>.weight` [n, in, out] and `<layer>.bias` [n, 1, out], ReLU between, tanh at the end.

    `about` gains the team's agents and sizes. Returns the file's SHA-256.
    """
    layers = enumerate(_layers(learner))
    tensors = {f"{i}.{part}": array for i, pair in layers for part, array in zip(PARTS, pair, strict=True)}
    return _write(path, tensors, {**_team(learner.team), **about})


def save_agent(path: Path, learner: MATD3, agent: int, about: Mapping[str, Any]) -> str:
    """Write one agent's network alone, without padding: `layer<i>.weight` [out, in] and `layer<i>.bias` [out].

    zoo-mpe reads this layout as a frozen prey. Returns the file's SHA-256.
    """
    team, pairs = learner.team, [(weight[agent].T, bias[agent, 0]) for weight, bias in _layers(learner)]
    pairs[0] = (pairs[0][0][:, : team.obs_sizes[agent]], pairs[0][1])
    pairs[-1] = (pairs[-1][0][: team.action_sizes[agent]], pairs[-1][1][: team.action_sizes[agent]])
    tensors = {f"layer{i}.{part}": a for i, pair in enumerate(pairs) for part, a in zip(PARTS, pair, strict=True)}
    return _write(path, tensors, {"env": team.env, "agent": team.agents[agent], **about})


def save_record(path: Path, recorder: Recorder, team: TeamSpec, about: Mapping[str, Any]) -> str:
    """Write `seeds` [M] and `actions` [M, T, n, a] (float16, as executed). Returns the file's SHA-256."""
    seeds, actions = recorder.arrays()
    return _write(path, {"seeds": seeds, "actions": actions}, {**_team(team), **about})


def _layers(learner: MATD3) -> list[tuple[np.ndarray, np.ndarray]]:
    """(weight [n, in, out], bias [n, 1, out]) of every layer of the actors."""
    stack = learner.actors
    return [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in (*stack.layers, stack.last)]


def _team(team: TeamSpec) -> dict[str, Any]:
    return {"env": team.env, "agents": team.agents, "obs_sizes": team.obs_sizes, "action_sizes": team.action_sizes}


def _write(path: Path, tensors: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> str:
    """Write whole or not at all: under a temporary name, then renamed."""
    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    # One metadata key: with several, safetensors would write them in an order that differs from run to run.
    content = save(contiguous, metadata={"about": json.dumps(about, sort_keys=True)})
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    os.replace(partial, path)
    return hashlib.sha256(content).hexdigest()
