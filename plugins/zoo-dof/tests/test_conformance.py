zoo_plugin = "zoo_dof.plugin"


def test_dof_keeps_the_contract(zoo_claim):
    zoo_claim()
