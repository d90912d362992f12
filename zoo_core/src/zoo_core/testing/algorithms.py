"""What every algorithm must hold to, on data and networks so small that most claims take a fraction of a second."""

from __future__ import annotations

import functools

from zoo_core.entries import CONTINUOUS, DISCRETE, AlgorithmEntry
from zoo_core.testing import acting, capabilities, killing, permutation, settings, training
from zoo_core.testing.checks import Check, Claim, Observer, run_claims
from zoo_core.testing.endurance import Endurance
from zoo_core.testing.factories import factory_claims
from zoo_core.testing.kit import claim_about, package_of
from zoo_core.testing.learning import learning_claims

ON_EACH_KIND = (
    training.global_generators_are_untouched,  # first: the cause of much else that follows
    settings.settings_survive_json,
    capabilities.every_preset_runs,
    capabilities.declared_capabilities_run,
    capabilities.data_needs_are_declared,
    training.training_changes_weights,
    training.equal_seeds_give_equal_weights,
    training.resumed_equals_uninterrupted,
    training.three_seeds_together_equal_three_apart,
    training.every_loss_descends,
    acting.acting_fits_the_team,
    acting.acting_is_decentralised,
    acting.copies_act_apart,
    acting.a_loaded_policy_acts_the_same,
    permutation.permuting_agents_permutes_the_algorithm,
)
"""Claims tested once for each kind of action that the entry declares."""


def algorithm_claims(entry: AlgorithmEntry) -> list[Claim]:
    """The claims about an algorithm: those on its entry, on each kind of action it declares, and on a killed run.

    Of an online trainer, which the core does not train, only those on its entry.
    """
    claims = factory_claims(entry)
    claims.append(Claim("words_are_known", functools.partial(settings.words_are_known, entry)))
    claims.append(claim_about(entry, settings.settings_are_documented))
    if entry.online:
        return claims
    claims += [
        claim_about(entry, test)
        for test in (settings.unknown_settings_are_refused, capabilities.what_is_not_declared_is_refused)
    ]
    kinds = [kind for kind in entry.actions if kind in (CONTINUOUS, DISCRETE)]
    claims += [claim_about(entry, test, kind) for kind in kinds for test in ON_EACH_KIND]
    claims += [claim_about(entry, capabilities.a_state_for_each_agent_will_do, k, required=False) for k in kinds]
    for kind in kinds:
        run = Endurance(entry, kind)
        for judge in (run.long_training_stays_finite, run.memory_stays_flat):
            claims.append(claim_about(entry, judge, name=f"{judge.__name__}[{kind}]"))
    claims.append(claim_about(entry, killing.a_killed_run_resumes_to_equal_weights))
    return claims + learning_claims(entry)


def check_algorithm(entry: AlgorithmEntry, observer: Observer | None = None) -> list[Check]:
    """The contract of an algorithm, tested: settings, capabilities, training, acting, learning."""
    return run_claims(algorithm_claims(entry), observer, package_of(entry))
