import pytest

from zoo_core.testing import algorithm_claims
from zoo_spacql.plugin import zoo_algorithms

(ENTRY,) = zoo_algorithms()


@pytest.mark.parametrize("claim", algorithm_claims(ENTRY), ids=str)
def test_spacql_keeps_the_contract(claim):
    claim()
