"""PLCQL keeps the zoo's contract, and learns a small game that imitation does not solve."""

import pytest
from plcql.plugin import zoo_algorithms

from zoo_core.testing import algorithm_claims, learning_claims

(PLCQL,) = zoo_algorithms()


@pytest.mark.parametrize("claim", [*algorithm_claims(PLCQL), *learning_claims(PLCQL)], ids=str)
def test_plcql_keeps_the_contract(claim):
    claim()
