"""PLCQL keeps the zoo's contract: `zoo_claim` comes with zoo-core and is each claim in turn."""

zoo_plugin = "plcql.plugin"


def test_conformance(zoo_claim):
    zoo_claim()
