zoo_plugin = "zoo_icql_qs.plugin"


def test_icql_qs_keeps_the_contract(zoo_claim):
    zoo_claim()
