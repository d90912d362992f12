zoo_plugin = "zoo_macql.plugin"


def test_macql_keeps_the_contract(zoo_claim):
    zoo_claim()
