"""Each mixer is what its paper says."""

import pytest
import torch

from zoo_mixers.mixers import QMIX, VDN, Linear

zoo_plugin = "zoo_mixers.plugin"

N, S, B = 3, 5, 7


def random_inputs(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(B, N, generator=g), torch.randn(B, S, generator=g)


def test_the_mixers_keep_the_contract(zoo_claim):
    zoo_claim()


@torch.no_grad()
def test_linear_mixer_is_the_scalar_formula_of_omcda_eq_1():
    mixer = Linear(N, S, outputs=2)
    values, state = random_inputs()
    total = mixer(values, state)
    for row in range(B):
        features = [max(0.0, float(mixer.trunk.weight[h] @ state[row] + mixer.trunk.bias[h])) for h in range(64)]
        features = torch.tensor(features)
        for m in range(2):
            expected = float(mixer.to_bias.weight[m] @ features + mixer.to_bias.bias[m])
            for i in range(N):
                w = abs(float(mixer.to_weights.weight[m * N + i] @ features + mixer.to_weights.bias[m * N + i]))
                expected += w * float(values[row, i])
            assert float(total[row, m]) == pytest.approx(expected, abs=1e-5)


def test_constraint_mixer_gives_one_total_per_agent():
    _, state = random_inputs()
    w, b = Linear(N, S, outputs=N).weights(state)
    assert w.shape == (B, N, N)
    assert b.shape == (B, N)


def test_vdn_is_the_sum():
    values, state = random_inputs()
    assert torch.equal(VDN(N, S)(values, state)[:, 0], values.sum(1))


@torch.no_grad()
def test_qmix_is_the_scalar_formula_of_the_paper():
    mixer = QMIX(N, S, embed=4, hypernet=6)
    values, state = random_inputs()
    total = mixer(values, state)
    for row in range(B):
        w1 = mixer.hyper_w1(state[row]).abs().view(N, 4)
        hidden = torch.zeros(4)
        for k in range(4):
            x = mixer.hyper_b1(state[row])[k] + sum(values[row, i] * w1[i, k] for i in range(N))
            hidden[k] = x if x > 0 else torch.exp(x) - 1
        expected = mixer.hyper_w2(state[row]).abs() @ hidden + mixer.hyper_b2(state[row])[0]
        assert float(total[row, 0]) == pytest.approx(float(expected), abs=1e-5)


def test_qmix_is_not_linear_in_the_values_and_says_so():
    mixer = QMIX(N, S)
    values, state = random_inputs()
    middle = mixer(1.5 * values, state)
    chord = 0.5 * (mixer(values, state) + mixer(2.0 * values, state))
    assert (middle - chord).abs().max() > 1e-3
    with pytest.raises(NotImplementedError, match="not linear"):
        mixer.weights(state)


def test_qmix_state_bias_may_be_negative():
    mixer = QMIX(N, S)
    with torch.no_grad():
        mixer.hyper_b2[-1].bias.fill_(-100.0)
    assert (mixer(*random_inputs()) < 0).all()
