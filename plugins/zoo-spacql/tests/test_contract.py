zoo_plugin = "zoo_spacql.plugin"


def test_spacql_keeps_the_contract(zoo_claim):
    zoo_claim()
