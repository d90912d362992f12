zoo_plugin = "zoo_icq.plugin"


def test_icq_keeps_the_contract(zoo_claim):
    zoo_claim()
