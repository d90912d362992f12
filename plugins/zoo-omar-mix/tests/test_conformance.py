zoo_plugin = "zoo_omar_mix.plugin"


def test_omar_mix_keeps_the_contract(zoo_claim):
    zoo_claim()
