import pytest

from zoo_cfcql.plugin import zoo_algorithms
from zoo_core.testing import algorithm_claims

(ENTRY,) = zoo_algorithms()


@pytest.mark.parametrize("claim", algorithm_claims(ENTRY), ids=str)
def test_cfcql_keeps_the_contract(claim):
    claim()
