zoo_plugin = "zoo_cql.plugin"


def test_cql_keeps_the_contract(zoo_claim):
    zoo_claim()
