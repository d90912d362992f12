zoo_plugin = "zoo_omar.plugin"


def test_omar_keeps_the_contract(zoo_claim):
    zoo_claim()
