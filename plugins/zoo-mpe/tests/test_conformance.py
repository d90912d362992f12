"""The particle worlds and their datasets keep the contract."""

zoo_plugin = "zoo_mpe.plugin"


def test_worlds_and_datasets_keep_the_contract(zoo_claim):
    zoo_claim()
