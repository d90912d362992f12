"""What an update does in which order, where policies start, and what the ablations and presets are."""

import dataclasses
import math

import pytest
import torch
from naive_omcda import CONTINUOUS, TEAMS, B, constraint_credit, make, net

from zoo_core import Clip, TeamSpec, Update, ZooError, load_zoo
from zoo_core.compatibility import require_mixer
from zoo_core.config import resolve
from zoo_core.entries import EnvEntry, Source
from zoo_core.errors import IncompatiblePair
from zoo_core.testing import tiny_dataset, tiny_team
from zoo_core.testing.tiny import play_out
from zoo_core.training import Learner, build_algorithm
from zoo_critics.testing_mixed import LinearMixer, lasting_rewards
from zoo_omcda.algorithm import ALPHA, OMCDA, Entangled, EqualDegrees, RandomDegrees
from zoo_omcda.config import EntangledConfig, OMCDAConfig
from zoo_omcda.mixer import ConstraintMixer
from zoo_omcda.plugin import zoo_algorithms

ENTRIES = {entry.name: entry for entry in zoo_algorithms()}
SMALL = {"batch_size": 16, "hidden": 8, "bc_iterations": 5, "iterations": 10}
TRAIN = ["value_r", "value_c", "critic_r", "critic_c", "policy", "behaviour", "degrees", "alpha"]


def names(algorithm):
    return [step.name for step in algorithm.phases()[-1].steps if hasattr(step, "name")]


def learner(name, seed=0, **settings):
    entry = ENTRIES[name]
    config = entry.load().Config(**SMALL | settings)
    built = build_algorithm(entry, tiny_team("continuous"), config, seed, mixer=LinearMixer)
    return Learner([built], [seed], tiny_dataset(tiny_team("continuous")).sampler)


def test_an_update_takes_the_steps_of_algorithm_1_in_order_and_then_moves_every_target():
    alg, _ = make()
    assert names(alg) == TRAIN
    assert names(make(behaviour="frozen")[0]) == [name for name in TRAIN if name != "behaviour"]
    moved = [step.target for step in alg.phases()[-1].steps if not hasattr(step, "name")]
    assert sorted(moved) == sorted(name for name, _ in alg.named_children() if name.startswith("target_"))
    assert len(moved) == 6


def test_without_decomposed_q_the_constraints_steps_are_gone():
    alg, _ = make(algorithm=Entangled)
    assert names(alg) == ["value_r", "critic_r", "policy", "behaviour", "degrees", "alpha"]
    parts = {name.removeprefix("target_") for name, _ in alg.named_children()}
    assert parts == {"behaviour", "policy", "value_r", "critic_r", "mixer"}


def test_return_and_constraint_have_rates_of_their_own():
    alg, _ = make(lr=3e-4, constraint_lr=6e-5, policy_lr=2e-4)
    rates = {step.name: step.optimizer.lr for step in alg.phases()[-1].steps if isinstance(step, Update)}
    assert {rates["value_r"], rates["critic_r"]} == {3e-4}
    assert {rates["value_c"], rates["critic_c"]} == {6e-5}
    assert rates["policy"] == 2e-4


def test_the_rate_of_alpha_is_scaled_to_the_budget_unless_it_is_to_be_taken_as_it_is():
    assert make(alpha_lr=1e-5, alpha_budget=1_000_000, iterations=100_000)[0].config.alpha_rate == pytest.approx(1e-4)
    assert make(alpha_lr=1e-5, alpha_budget=None, iterations=100_000)[0].config.alpha_rate == 1e-5


def test_however_short_the_run_alpha_does_not_outrun_the_targets():
    scaled = {"alpha_lr": 1e-5, "alpha_budget": 1_000_000, "tau": 0.005}
    assert make(**scaled, iterations=400)[0].config.alpha_rate == pytest.approx(1e-2)
    assert make(**scaled, iterations=1_000, alpha_lag=20.0)[0].config.alpha_rate == pytest.approx(2.5e-4)


@pytest.mark.parametrize("algorithm", [OMCDA, Entangled, EqualDegrees, RandomDegrees])
def test_levels_move_at_the_scaled_rate_and_cloning_at_its_own(algorithm):
    alg, _ = make(algorithm=algorithm, alpha_lr=1e-5, alpha_budget=1_000_000, iterations=50_000, bc_lr=7e-4)
    cloning, training = alg.phases()
    (clone,) = (step for step in cloning.steps if isinstance(step, Update))
    assert clone.optimizer.lr == 7e-4
    (alpha,) = (step for step in training.steps if isinstance(step, Update) and step.name == "alpha")
    assert alpha.learns == ("log_alpha",)
    assert alpha.optimizer.lr == pytest.approx(2e-4)


@pytest.mark.parametrize("algorithm", [OMCDA, Entangled])
@pytest.mark.parametrize("clip", [None, 0.3])
def test_every_networks_gradient_is_clipped_as_set_and_the_levels_is_not(algorithm, clip):
    alg, _ = make(algorithm=algorithm, clip=clip)
    clips = {step.name: step.clip for phase in alg.phases() for step in phase.steps if isinstance(step, Update)}
    assert clips.pop("alpha") is None
    assert set(clips.values()) == {None if clip is None else Clip(clip, "all")}


@pytest.mark.parametrize("algorithm", [OMCDA, Entangled])
def test_each_update_learns_what_its_loss_is_of(algorithm):
    alg, _ = make(algorithm=algorithm)
    learns = {step.name: step.learns for step in alg.phases()[-1].steps if isinstance(step, Update)}
    expected = {
        "value_r": ("value_r",),
        "value_c": ("value_c",),
        "critic_r": ("critic_r", "mixer"),
        "critic_c": ("critic_c", "mixer_c"),
        "policy": ("policy",),
        "behaviour": ("behaviour",),
        "alpha": ("log_alpha",),
    }
    assert learns == {name: of for name, of in expected.items() if algorithm is OMCDA or not name.endswith("_c")}


def test_cloning_and_warming_up_are_shares_of_the_budget():
    for iterations in (20_000, 1_000_000):
        alg, _ = make(iterations=iterations, bc_share=0.1, warm_up=0.05)
        assert alg.phases()[0].iterations == iterations // 10
        assert alg.config.warm_up_updates == iterations // 20
    assert make(iterations=20_000, bc_iterations=77)[0].phases()[0].iterations == 77


def test_the_policy_is_what_is_cloned_at_every_evaluation_and_starts_as_it():
    trained = learner("omcda", degree=0.3)
    for _ in range(5):
        play_out(trained, 1)
        alg = trained.algorithm()
        for one, other in zip(alg.policy.parameters(), alg.behaviour.parameters(), strict=True):
            assert torch.equal(one, other)
    first, *_ = play_out(trained, 1)
    assert float(first["alpha/divergence"].max()) < 0.01  # after one step of the policy
    torch.testing.assert_close(first["alpha/degree"][0], torch.full((3,), 0.3))


@pytest.mark.parametrize("behaviour", ["frozen", "beside"])
def test_the_behaviour_policy_stays_as_cloned_only_where_it_is_frozen(behaviour):
    trained = learner("omcda", behaviour=behaviour)
    play_out(trained, 5)
    cloned = [p.detach().clone() for p in trained.algorithm().behaviour.parameters()]
    play_out(trained, 5)
    stayed = [torch.equal(p, q) for p, q in zip(trained.algorithm().behaviour.parameters(), cloned, strict=True)]
    assert all(stayed) if behaviour == "frozen" else not any(stayed)


# --- what is controlled is deviation, not drift ------------------------------------------------------------------

NO_DIFFERENCE = {
    "lr": 1e-12,
    "constraint_lr": 1e-12,
    "policy_lr": 3e-3,
    "iterations": 60,
    "degree": 0.01,
    "alpha_budget": None,
    "alpha_lr": 1e-2,
}


def without_advantages(name, behaviour, **settings):
    """60 updates with every Q and V constant: no action is better than another. α and KL, [60, 3] each."""
    trained = learner(name, behaviour=behaviour, **NO_DIFFERENCE | settings)
    flat = {key: torch.zeros_like(tensor) for key, tensor in trained.networks.tensors().items() if is_head(key)}
    assert flat
    trained.load_tensors(flat)
    logged = play_out(trained, trained.total)[5:]
    assert all(torch.allclose(m["policy/weight"], torch.ones(3), atol=1e-6) for m in logged)
    return (torch.cat([m[f"alpha/{metric}"] for m in logged]) for metric in ("alpha", "divergence"))


def is_head(name):
    return ".rest." in name and name.removeprefix("target_").startswith(("value_", "critic_"))


@pytest.mark.parametrize("name", ["omcda", "omcda-wo-cda", "omcda-rd"])
def test_with_critics_constant_in_actions_the_divergence_stays_zero_and_alpha_falls(name):
    alpha, divergence = without_advantages(name, "beside")
    assert float(divergence.max()) < 1e-6
    assert bool((alpha[-1] < 0.8 * alpha[0]).all())


def test_of_a_frozen_behaviour_policy_the_policy_drifts_past_its_degree_and_alpha_rises_for_nothing():
    alpha, divergence = without_advantages("omcda-wo-cda", "frozen")
    assert float(divergence[-1].min()) > 0.01
    assert bool((alpha[-1] > alpha.min(0).values).all())


def test_while_warming_up_alpha_stays_as_it_is():
    alpha, _ = without_advantages("omcda", "beside", warm_up=0.5)
    torch.testing.assert_close(alpha[:30], torch.ones(30, 3))
    assert bool((alpha[30:].diff(dim=0) < 0).all())
    alpha, _ = without_advantages("omcda", "beside", warm_up=0.5, alpha_waits=False)
    assert bool((alpha.diff(dim=0) < 0).all())


def test_a_seed_has_one_behaviour_policy_in_all_ablations():
    """So that they may share the one that was kept."""
    assert {learner(name).phases[0].reuse_as for name in ENTRIES} == {"omcda"}

    def cloned(name):
        trained = learner(name, seed=3)
        play_out(trained, 5)
        return list(trained.algorithm().behaviour.parameters())

    first = cloned("omcda")
    for name in ("omcda-wo-cda", "omcda-wo-dq", "omcda-rd"):
        assert all(torch.equal(p, q) for p, q in zip(first, cloned(name), strict=True))


def test_random_degrees_differ_between_seeds_and_equal_ones_do_not():
    def degrees(name, seed):
        trained = learner(name, seed)
        play_out(trained, 8)
        return trained.algorithm().degrees

    assert not torch.allclose(degrees("omcda-rd", 0), degrees("omcda-rd", 1))
    torch.testing.assert_close(degrees("omcda-wo-cda", 0), degrees("omcda-wo-cda", 1))


def test_everything_that_is_said_to_be_logged_for_each_agent_is():
    trained = learner("omcda")
    found = play_out(trained, 6)[-1]
    for metric in ("share", "degree", "alpha", "divergence", "influence"):
        assert found[f"alpha/{metric}"].shape == (1, 3)
    assert found["value_r/value"].shape == found["critic_r/credit"].shape == (1, 3)
    assert float(found["alpha/share"].sum()) == pytest.approx(1.0)


# --- mixers --------------------------------------------------------------------------------------------------------


def test_the_constraints_mixer_is_the_weighted_sum_of_equations_14_and_16():
    alg, batch = make()
    values = torch.randn(B, 3)
    found = alg.mixer_c(values, batch.state)
    for b in range(B):
        w, bias = constraint_credit(alg.mixer_c, batch.state[b])
        for i in range(3):
            torch.testing.assert_close(found[b, i], sum(w[i][j] * values[b, j] for j in range(3)) + bias[i])
            assert min(w[i]) >= 0


def test_with_the_identity_each_agent_has_its_own_constraint():
    alg, batch = make(constraint_mixer="identity")
    values = torch.randn(B, 3)
    torch.testing.assert_close(alg.mixer_c(values, batch.state), values)
    own = alg.constraint_advantage(batch, values, alg.mixer_c.weights(batch.state)[0])
    torch.testing.assert_close(own, alg.target_critic_c(batch.obs, batch.action) - values)


@pytest.mark.parametrize("kind", ["per_agent", "concat_obs"])
def test_exchanged_agents_exchange_their_constraints(kind):
    size = {"per_agent": {"state_kind": "per_agent", "state_size": 2}, "concat_obs": {}}[kind]
    mixer = ConstraintMixer(TeamSpec("test", ("a", "b", "c"), (2, 2, 2), (1, 1, 1), **size), 8)
    values, state, order = torch.randn(5, 3), torch.randn(5, 3, 2), [1, 2, 0]
    before = mixer(values, state.flatten(1))
    mixer.exchange(order)
    torch.testing.assert_close(mixer(values[:, order], state[:, order].flatten(1)), before[:, order])


@pytest.mark.parametrize("name", ENTRIES)
def test_any_linear_mixer_will_do_and_qmix_is_refused(name):
    zoo = load_zoo()
    for mixer in ("linear", "vdn"):
        require_mixer(ENTRIES[name], zoo.find("mixer", mixer))
    with pytest.raises(IncompatiblePair, match="requires a mixer that is linear"):
        require_mixer(ENTRIES[name], zoo.find("mixer", "qmix"))


def test_under_vdn_every_agents_return_counts_alike():
    team = tiny_team("continuous")
    built = build_algorithm(ENTRIES["omcda"], team, OMCDAConfig(**SMALL), 0, mixer=load_zoo().find("mixer", "vdn"))
    trained = Learner([built], [0], tiny_dataset(team).sampler)
    found = play_out(trained, 8)[-1]
    torch.testing.assert_close(found["critic_r/credit"][0], torch.ones(3))


def test_without_a_mixer_it_says_what_is_missing():
    with pytest.raises(ZooError, match="mixer"):
        OMCDA(CONTINUOUS, OMCDAConfig(**SMALL))


# --- settings ------------------------------------------------------------------------------------------------------


def resolved(name, preset, env="somebody-elses", quality="", kind="continuous"):
    entry, env = ENTRIES[name], EnvEntry(env, "", "", Source(""))
    return resolve(entry, entry.load().Config, env=env, action_kind=kind, quality=quality, preset=preset)


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("kind", ["continuous", "discrete"])
@pytest.mark.parametrize("preset", ["published", "zoo"])
def test_every_value_has_a_source(name, preset, kind):
    origins = resolved(name, preset, kind=kind).origins
    assert [key for key, origin in origins.items() if not origin.source] == []


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("preset", ["published", "zoo"])
def test_on_the_papers_robots_both_presets_have_its_table_5(name, preset):
    for robot in ("ant-2x4", "hopper-3x1", "halfcheetah-6x1", "halfcheetah-2x3"):
        for quality, degree in (("expert", 0.05), ("medium", 0.2), ("medium-replay", 0.2), ("medium-expert", 0.2)):
            c = resolved(name, preset, f"mamujoco-{robot}", quality).config
            table = (c.lr, c.policy_lr, c.constraint_lr, c.alpha_lr, c.tau, c.batch_size, c.discount, c.hidden)
            assert table == (2e-4, 2e-4, 4e-5, 1e-5, 0.005, 128, 0.99, 256)
            assert (c.expectile, c.degree, c.alpha, c.iterations) == (0.7, degree, 10.0, 1_000_000)


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_the_published_preset_is_algorithm_1_without_our_repairs(name, kind):
    c = resolved(name, "published", kind=kind).config
    assert c.distribution == "tanh-normal"
    assert (c.behaviour, c.alpha_waits, c.alpha_budget, c.influence_norm) == ("frozen", False, None, "none")
    assert ENTRIES[name].load()(CONTINUOUS, c, mixer=LinearMixer).config.warm_up_updates == 1000


def test_settings_of_the_constraint_say_that_they_have_no_effect_without_it():
    documented = {f.name: f.metadata["doc"] for f in dataclasses.fields(EntangledConfig)}
    idle = {name for name, doc in documented.items() if doc.startswith("Without effect")}
    assert idle == {"expectile", "constraint_lr", "constraint_mixer", "mixer_hidden"}
    plain, other = (
        learner("omcda-wo-dq", **given)
        for given in ({}, {"expectile": 0.9, "constraint_lr": 1e-2, "constraint_mixer": "identity", "mixer_hidden": 8})
    )
    for one, two in zip(play_out(plain, 8), play_out(other, 8), strict=True):
        assert all(torch.equal(one[key], two[key]) for key in one)


def test_the_ablations_are_settings_of_the_same_code():
    default = vars(resolved("omcda", None).config)
    differ = {name: {k: v for k, v in vars(resolved(name, None).config).items() if v != default[k]} for name in ENTRIES}
    assert differ == {
        "omcda": {},
        "omcda-wo-cda": {"allocation": "uniform"},
        "omcda-wo-dq": {"decomposed": False},
        "omcda-rd": {"allocation": "random"},
    }
    assert {EqualDegrees, Entangled, RandomDegrees} == {ENTRIES[name].load() for name in differ if name != "omcda"}


@pytest.mark.parametrize("team", TEAMS, ids=["continuous", "discrete"])
def test_scores_are_those_of_the_policies_modes(team):
    alg, batch = make(team)
    mask = batch.action_mask if team.discrete else None
    action, _ = alg.act(batch.obs, mask, None, None)
    for b in range(B):
        for i, size in enumerate(team.action_sizes):
            head = net(alg.policy.net, i, batch.obs[b, i])
            if team.discrete:
                best = max((a for a in range(size) if mask[b, i, a]), key=lambda a, head=head: float(head[a].detach()))
                assert int(action[b, i]) == best
            else:
                expected = [0.25 + 0.75 * math.tanh(min(max(float(x.detach()), -9), 9)) for x in head[:size]]
                assert action[b, i, :size].tolist() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_values_stay_at_what_lasting_rewards_add_up_to_and_where_actions_do_not_matter_no_agent_leaves_the_data():
    """Rewards do not depend on actions, so KL_i stays below d_i, α_i falls from where it began, and π clones."""
    rates = {"policy_lr": 5e-3, "constraint_lr": 1e-3, "alpha_lr": 1e-2, "alpha_budget": None}
    alg, off, taken = lasting_rewards(OMCDA, 300, **rates, alpha=10.0)
    assert off.abs().amax() < 0.2
    assert (taken - 0.8).abs().amax() < 0.15
    assert (alg.divergence < alg.degrees).all()
    assert (alg.alpha < 10.0).all()
    assert (alg.alpha > ALPHA[0]).all()
