zoo_plugin = "zoo_omiga.plugin"


def test_omiga_keeps_the_contract(zoo_claim):
    zoo_claim()
