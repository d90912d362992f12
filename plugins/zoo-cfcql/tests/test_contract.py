zoo_plugin = "zoo_cfcql.plugin"


def test_cfcql_keeps_the_contract(zoo_claim):
    zoo_claim()
