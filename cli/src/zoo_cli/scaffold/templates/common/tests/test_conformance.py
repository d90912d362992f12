"""This plugin keeps the contract: every claim of the conformance kit about everything it offers, a test each."""

zoo_plugin = "__PACKAGE__.plugin"


def test_conformance(zoo_claim):
    zoo_claim()
