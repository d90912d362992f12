zoo_plugin = "zoo_bcq.plugin"


def test_bcq_keeps_the_contract(zoo_claim):
    zoo_claim()
