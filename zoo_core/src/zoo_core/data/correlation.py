"""Action correlation: how far the agents' actions depend on one another once the state is known.

A behaviour policy is factorised if μ(a | s) = Π_i μ_i(a_i | s). Here the episodes of a dataset are split in three. On
the first part a small network per agent learns what is to be expected of a_i from the state. On the second, what the
others did beyond what was to be expected of *them* is used to correct that expectation. On the third, held out, both
are scored: the *gain* is the mean of log p(a_i | s, a_-i) − log p(a_i | s), in nats per agent and step. It estimates
the conditional mutual information I(a_i; a_-i | s), zero for factorised behaviour; it sees what the two models see, so
a stronger model may find more. The correction begins where the state alone ended, so that an imperfect network costs
both sides the same and the difference is of second order in its error.

Continuous actions have a Gaussian residual of constant covariance, discrete ones a softmax. Where nothing is random in
an action, its residual is the network's error alone, which other agents' errors tell something about: continuous
actions are therefore blurred a little, and dependence finer than that does not count.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo_core.data.folders import write_text
from zoo_core.nn import StackedMLP
from zoo_core.seeding import derive

if TYPE_CHECKING:
    from zoo_core.data.dataset import Dataset

CORRELATION_FILE = "action_correlation.json"
VERSION = 2
"""Rises when the method changes, so that kept figures of another method are not shown."""

MAX_ROWS, MAX_EPISODES, MIN_EPISODES = 100_000, 12_000, 40
PARTS = (0.6, 0.8)
"""Shares of the episodes at which the second and the third part begin."""
HIDDEN, UPDATES, BATCH, RATE = 64, 1000, 512, 3e-3
STATE_FEATURES, JOINT_FEATURES = 16, 64
BLUR = 0.02
"""Standard deviation of the independent noise added to continuous actions, in half the range between their bounds."""
Array = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class ActionCorrelation:
    """What was measured on held-out episodes.

    Attributes:
        gain: nats per agent and step that the others' actions add to the prediction of an agent's own.
        half_width: half of its 95% interval, over episodes; the fitted models are taken as given.
        agents: the gain of each agent.
        canonical: largest canonical correlation between one agent's residual and the others', its directions taken
            from the second part and its value from the third. The largest over agents: without dependence a little
            off zero, above it rather than below where there are many.
        episodes, steps: how many were held out.
    """

    gain: float
    half_width: float
    agents: tuple[float, ...]
    canonical: float
    episodes: int
    steps: int

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "agents": list(self.agents)}


def action_correlation(dataset: Dataset) -> ActionCorrelation | None:
    """The dataset's action correlation, a function of its content alone; None for one agent or under 40 episodes.

    Takes some ten seconds: at most 100,000 steps of 12,000 episodes are looked at.
    """
    if dataset.team.n < 2 or dataset.num_episodes < MIN_EPISODES:
        return None
    seed = derive(0, "action-correlation", dataset.hash) % (1 << 32)
    rng = np.random.default_rng(seed)
    state, action, mask, episode = _sample(dataset, rng)
    part = np.digitize(episode / (episode.max() + 1), PARTS)
    inputs = torch.from_numpy(state)
    likelihood: _Gaussian | _Softmax
    if dataset.team.discrete:
        likelihood = _Softmax(torch.from_numpy(action), None if mask is None else torch.from_numpy(mask))
    else:
        reach = (dataset.team.action_high - dataset.team.action_low) / 2
        blurred = action + BLUR * reach * rng.standard_normal(action.shape, dtype=np.float32)
        likelihood = _Gaussian(torch.from_numpy(blurred))
    residual = _expect(inputs, likelihood, np.flatnonzero(part == 0), seed)
    gains = _gains(state, residual, likelihood, part, rng)
    return _summary(gains, episode[part == 2], _canonical(residual[part == 1], residual[part == 2]))


def cached_action_correlation(dataset: Dataset) -> ActionCorrelation | None:
    """The figures kept beside the dataset if they are its own; else measured and kept. The card is left as it is."""
    path = dataset.folder / CORRELATION_FILE
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["sha256"] == _digest(dataset.hash, kept["correlation"]):
            found = kept["correlation"]
            return None if found is None else ActionCorrelation(**{**found, "agents": tuple(found["agents"])})
    measured = action_correlation(dataset)
    content = None if measured is None else measured.as_json()
    with suppress(OSError):  # a read-only folder: measured again next time
        write_text(path, json.dumps({"correlation": content, "sha256": _digest(dataset.hash, content)}))
    return measured


class _Gaussian:
    """Actions [K, n, a]: the network gives their mean, its error is the residual."""

    penalties = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5)

    def __init__(self, action: Tensor) -> None:
        self.action, self.outputs = action, action.shape[-1]

    def loss(self, output: Tensor, rows: Tensor) -> Tensor:
        return (output - self.action[rows]).square().mean()

    def residual(self, output: Tensor) -> Tensor:
        self.error = (self.action - output).double()
        return self.error

    def fit(self, agent: int, features: Array, rows: Rows, penalty: float) -> Array:
        """The ridge solution for the agent's residual on `rows`."""
        x, target = features[rows], self.error[rows, agent].numpy()
        return np.asarray(np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ target))

    def log_p(self, agent: int, features: Array, weights: Array, fitted: Rows, scored: Rows) -> Array:
        """[len(scored)]: under the Gaussian of the mean and covariance that the corrected error has on `fitted`."""
        error = self.error[:, agent].numpy() - features @ weights
        covariance = np.atleast_2d(np.cov(error[fitted].T)) + 1e-9 * np.eye(self.outputs)
        centred = (error[scored] - error[fitted].mean(axis=0)).T
        squares = np.square(np.linalg.solve(np.linalg.cholesky(covariance), centred)).sum(axis=0)
        return np.asarray(-0.5 * (squares + np.linalg.slogdet(covariance)[1] + self.outputs * np.log(2 * np.pi)))


class _Softmax:
    """Actions [K, n] of A kinds: the network gives logits; the residual is the indicator of a_i minus p(· | s)."""

    penalties = (10.0, 1000.0)

    def __init__(self, action: Tensor, mask: Tensor | None) -> None:
        self.outputs = int(action.max()) + 1 if mask is None else mask.shape[-1]
        self.action, self.mask = action, mask

    def loss(self, output: Tensor, rows: Tensor) -> Tensor:
        return -self._log_p(output, rows).gather(-1, self.action[rows][..., None]).mean()

    def residual(self, output: Tensor) -> Tensor:
        self.base = self._log_p(output, torch.arange(len(output))).double()
        return torch.nn.functional.one_hot(self.action, self.outputs) - self.base.exp()

    def fit(self, agent: int, features: Array, rows: Rows, penalty: float) -> Array:
        """What to add to the agent's log probabilities on `rows`, penalised as in a ridge regression."""
        x, base, chosen = torch.from_numpy(features[rows]), self.base[rows, agent], self.action[rows, agent][:, None]
        weights = torch.zeros(x.shape[1], self.outputs, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([weights], max_iter=20, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            log_p = torch.log_softmax(base + x @ weights, -1).gather(-1, chosen)
            loss = penalty * weights.square().sum() / 2 - log_p.sum()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        if x.shape[1]:
            optimizer.step(closure)  # type: ignore[no-untyped-call]
        return weights.detach().numpy()

    def log_p(self, agent: int, features: Array, weights: Array, fitted: Rows, scored: Rows) -> Array:
        """[len(scored)]."""
        correction = torch.from_numpy(features[scored] @ weights)
        log_p = torch.log_softmax(self.base[scored, agent] + correction, -1)
        return log_p.gather(-1, self.action[scored, agent][:, None])[:, 0].numpy()

    def _log_p(self, output: Tensor, rows: Tensor) -> Tensor:
        if self.mask is not None:
            output = output.masked_fill(~self.mask[rows], -1e9)
        return torch.log_softmax(output, -1)


def _sample(dataset: Dataset, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any], Any, NDArray[Any]]:
    """State [K, s] standardised, action, mask or None, and each step's episode, numbered in random order."""
    starts = dataset.episode_starts.numpy()
    chosen = rng.permutation(dataset.num_episodes)[:MAX_EPISODES]
    lengths = np.diff(starts)[chosen]
    episode = np.repeat(np.arange(len(chosen)), lengths)
    step = (
        np.arange(len(episode)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + np.repeat(starts[chosen], lengths)
    )
    kept = np.sort(rng.permutation(len(step))[:MAX_ROWS])
    step, episode = step[kept], episode[kept]
    rows = dataset.obs_rows.numpy()[step]
    seen = [dataset.obs.numpy()[rows].reshape(len(rows), -1)]
    if dataset.state is not None:
        seen.append(dataset.state.numpy()[rows].reshape(len(rows), -1))
    state = np.concatenate(seen, axis=1)
    state = (state - state.mean(axis=0)) / (state.std(axis=0) + 1e-6)
    mask = None if dataset.action_mask is None else dataset.action_mask.numpy()[rows]
    return state.astype(np.float32), dataset.action.numpy()[step], mask, episode


def _expect(state: Tensor, likelihood: _Gaussian | _Softmax, rows: NDArray[Any], seed: int) -> Array:
    """Train one network of the state per agent on `rows`; the residual of every step, [K, n, outputs]."""
    agents = likelihood.action.shape[1]
    source = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = StackedMLP(agents, state.shape[1], (HIDDEN, HIDDEN), likelihood.outputs)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=UPDATES)
    train = torch.from_numpy(rows)
    for _ in range(UPDATES):
        picked = train[torch.randint(len(train), (BATCH,), generator=source)]
        loss = likelihood.loss(_outputs(network, state[picked], agents), picked)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        output = torch.cat([_outputs(network, chunk, agents) for chunk in torch.split(state, 8192)])
        residual: Array = likelihood.residual(output).numpy()
    return residual


def _outputs(network: StackedMLP, state: Tensor, agents: int) -> Tensor:
    """state [B, s] → [B, n, outputs]."""
    output: Tensor = network(state.expand(agents, -1, -1)).transpose(0, 1)
    return output


def _gains(state: NDArray[Any], residual: Array, likelihood: _Gaussian | _Softmax, part: Rows, rng: Any) -> Array:
    """[K3, n]: every agent's gain at every step of the third part."""
    context = np.tanh(state @ rng.normal(size=(state.shape[1], STATE_FEATURES)) / np.sqrt(state.shape[1]))
    scaled = residual / (residual[part == 1].std(axis=0) + 1e-6)
    second, third = np.flatnonzero(part == 1), np.flatnonzero(part == 2)
    fit, choose = np.split(second, [2 * len(second) // 3])  # steps lie in the order of episodes
    gains = []
    for agent in range(residual.shape[1]):
        others = _others(scaled, agent)
        features = _features(others, context, rng)
        choices = product((others.shape[1], features.shape[1]), likelihood.penalties)
        scores = {
            (columns, penalty): _log_p(likelihood, agent, features[:, :columns], penalty, fit, choose).mean()
            for columns, penalty in choices
        }
        columns, penalty = max(scores, key=lambda choice: scores[choice])
        # Half as many rows again as in `fit`; no columns at all leave the prediction from the state alone.
        corrected = _log_p(likelihood, agent, features[:, :columns], 1.5 * penalty, second, third)
        gains.append(corrected - _log_p(likelihood, agent, features[:, :0], 1.0, second, third))
    return np.stack(gains, axis=1)


def _log_p(
    likelihood: _Gaussian | _Softmax, agent: int, features: Array, penalty: float, fitted: Rows, scored: Rows
) -> Array:
    """[len(scored)]: log p of the agent's actions, the correction fitted on other rows."""
    weights = likelihood.fit(agent, features, fitted, penalty)
    return likelihood.log_p(agent, features, weights, fitted, scored)


def _features(others: NDArray[Any], context: Array, rng: Any) -> Array:
    """What the correction is linear in: the others' residuals, alone, times the state, and bent together with it."""
    products = (others[:, :, None] * context[:, None, :]).reshape(len(others), -1)
    if products.shape[1] > 4 * JOINT_FEATURES:  # many agents or actions: a random part of the products will do
        products = products @ rng.normal(size=(products.shape[1], 4 * JOINT_FEATURES)) / np.sqrt(products.shape[1])
    bias = rng.normal(size=JOINT_FEATURES) + context @ (rng.normal(size=(STATE_FEATURES, JOINT_FEATURES)) / 4.0)
    weights = rng.normal(size=(others.shape[1], JOINT_FEATURES)) / np.sqrt(others.shape[1])
    # Less what the state gives by itself, which belongs to the other side.
    bent = np.maximum(others @ weights + bias, 0.0) - np.maximum(bias, 0.0)
    return np.concatenate([others, products, bent], axis=1, dtype=np.float64)


def _canonical(second: Array, third: Array) -> float:
    """The largest over agents of the first canonical correlation between its residual and all the others'."""
    found = []
    for agent in range(second.shape[1]):
        one, rest = (_white(second, which, agent) for which in ("one", "rest"))
        u, _, v = np.linalg.svd(one.T @ _joint_covariance(second, agent) @ rest)
        own, others = third[:, agent] @ one @ u[:, 0], _others(third, agent) @ rest @ v[0]
        found.append(float(np.corrcoef(own, others)[0, 1]))
    return max(found)


def _others(residual: Array, agent: int) -> Array:
    return np.delete(residual, agent, axis=1).reshape(len(residual), -1)


def _joint_covariance(residual: Array, agent: int) -> Array:
    """Cov(e_i, e_-i)."""
    own, others = residual[:, agent], _others(residual, agent)
    covariance: Array = (own - own.mean(axis=0)).T @ (others - others.mean(axis=0)) / len(own)
    return covariance


def _white(residual: Array, which: str, agent: int) -> Array:
    """The matrix that whitens one agent's residual or all the others'; directions without spread become zero."""
    values, vectors = np.linalg.eigh(
        np.atleast_2d(np.cov((residual[:, agent] if which == "one" else _others(residual, agent)).T))
    )
    inverse = np.where(values > 1e-6 * values.max(), 1.0 / np.sqrt(np.maximum(values, 1e-300)), 0.0)
    whitening: Array = vectors * inverse
    return whitening


def _summary(gains: Array, episode: NDArray[Any], canonical: float) -> ActionCorrelation:
    """The mean gain; its t interval by the ratio estimate over episodes, whose numbers of steps differ."""
    from zoo_core.training.scores import t_quantile

    _, index = np.unique(episode, return_inverse=True)
    sums = np.bincount(index, weights=gains.mean(axis=1))
    steps = np.bincount(index).astype(np.float64)
    mean = sums.sum() / steps.sum()
    count = len(steps)
    deviation = np.sqrt(np.square(sums - mean * steps).sum() / (count * (count - 1))) / steps.mean()
    per_agent = tuple(float(value) for value in gains.mean(axis=0))
    half_width = float(t_quantile(count - 1) * deviation)
    return ActionCorrelation(float(mean), half_width, per_agent, canonical, count, len(gains))


def _digest(data_hash: str, content: dict[str, Any] | None) -> str:
    return hashlib.sha256(json.dumps([VERSION, data_hash, content], sort_keys=True).encode()).hexdigest()
