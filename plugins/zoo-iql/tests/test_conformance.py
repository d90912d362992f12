zoo_plugin = "zoo_iql.plugin"


def test_iql_keeps_the_contract(zoo_claim):
    zoo_claim()
