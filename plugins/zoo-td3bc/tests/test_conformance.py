zoo_plugin = "zoo_td3bc.plugin"


def test_td3bc_keeps_the_contract(zoo_claim):
    zoo_claim()
