zoo_plugin = "zoo_comadice.plugin"


def test_comadice_keeps_the_contract(zoo_claim):
    zoo_claim()
