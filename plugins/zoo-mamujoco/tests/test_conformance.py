"""The robots and their datasets keep the contract."""

zoo_plugin = "zoo_mamujoco.plugin"


def test_robots_and_datasets_keep_the_contract(zoo_claim):
    zoo_claim()
