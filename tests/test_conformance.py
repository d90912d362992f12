"""Everything installed keeps its contract: each claim of the kit, on each of them."""

import pytest

from zoo_core import load_zoo
from zoo_core.testing import algorithm_claims, env_claims, learning_claims, mixer_claims

ZOO = load_zoo()
LEARNERS = [offer for offer in ZOO.algorithms if not offer.entry.online]


def cases(offers, claims):
    return [pytest.param(claim, id=f"{offer.name}-{claim}") for offer in offers for claim in claims(offer.entry)]


def test_every_installed_plugin_is_healthy():
    assert [f"{row.distribution}: {row.reason}" for row in ZOO.plugins if row.state == "broken"] == []
    assert [row.distribution for row in ZOO.plugins if row.heavy] == []


@pytest.mark.parametrize("claim", cases(LEARNERS, algorithm_claims))
def test_algorithm(claim):
    claim()


@pytest.mark.parametrize("claim", cases([o for o in LEARNERS if o.name != "bc"], learning_claims))
def test_algorithm_learns(claim):
    claim()


@pytest.mark.parametrize("claim", cases(ZOO.envs, env_claims))
def test_environment(claim):
    claim()


@pytest.mark.parametrize("claim", cases(ZOO.mixers, mixer_claims))
def test_mixer(claim):
    claim()
