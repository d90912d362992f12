"""What the conformance kit asks of an online trainer: its entry, its settings and its hook module."""

zoo_plugin = "zoo_matd3.plugin"


def test_matd3_keeps_the_contract(zoo_claim):
    zoo_claim()
