import itertools
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zoo_critics import partial_replacement, singletons, uniform_subsets


@given(agents=st.integers(1, 6), seed=st.integers(0, 2**31))
def test_exactly_k_agents_are_replaced(agents, seed):
    uniforms = torch.rand(agents, 9, agents, generator=torch.Generator().manual_seed(seed))
    replaced = uniform_subsets(uniforms)
    assert replaced.sum(-1).tolist() == [[k] * 9 for k in range(1, agents + 1)]


@pytest.mark.parametrize("k", [1, 2, 3])
def test_every_subset_is_equally_likely(k):
    draws = 12_000
    uniforms = torch.rand(4, draws, 4, generator=torch.Generator().manual_seed(0))
    found = Counter(map(tuple, uniform_subsets(uniforms)[k - 1].int().tolist()))
    subsets = [s for s in itertools.product((0, 1), repeat=4) if sum(s) == k]
    assert set(found) == set(subsets)
    expected = draws / len(subsets)
    chi2 = sum((found[s] - expected) ** 2 / expected for s in subsets)
    assert chi2 < 25  # fewer than 1 in 10,000 for 5 degrees of freedom


def test_subsets_of_different_k_are_independent():
    """k = 1 is not always inside k = 2: each is drawn afresh (Algorithm 1, line 7)."""
    replaced = uniform_subsets(torch.rand(3, 200, 3, generator=torch.Generator().manual_seed(0)))
    assert not (replaced[0] <= replaced[1]).all()


def test_replaced_agents_act_by_the_policy_and_the_others_as_logged():
    logged, policy = torch.zeros(5, 3, 2), torch.ones(5, 3, 2)
    replaced = torch.rand(4, 5, 3, generator=torch.Generator().manual_seed(0)) < 0.5
    joint = partial_replacement(logged, policy, replaced)
    assert torch.equal(joint, replaced.float().unsqueeze(-1).expand(4, 5, 3, 2))


def test_singletons_replace_each_agent_once():
    assert torch.equal(singletons(3, 2)[:, 0], torch.eye(3, dtype=torch.bool))
    assert singletons(3, 2).shape == (3, 2, 3)
