"""The two commands, `train` and `ship`. Results (paths and SHA-256) go to stdout, progress to stderr."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from zoo_core import SettingError, UsageError, ZooError, load_zoo, parse_assignments, resolve
from zoo_matd3.algorithm import MATD3, Config
from zoo_matd3.plugin import MATD3 as ENTRY
from zoo_matd3.policies import save_agent, save_policy, save_record
from zoo_matd3.recipes import RECIPES, Recipe
from zoo_matd3.training import Evaluation, MakeEnv, Recorder, train

EXAMPLES = """Train MATD3 online, or make again all that an environment plugin ships.

    python -m zoo_matd3 train --env mpe-cn --seed 0 --out policies --keep 280 --keep 500
    python -m zoo_matd3 train --env mpe-pp --env-option control=all --split --out policies
    python -m zoo_matd3 ship --env mpe-cn --out plugins/zoo-mpe/src/zoo_mpe/policies
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(1)  # networks this small lose time to a second thread, and one thread fixes the order of sums
    try:
        options.command(options)
    except ZooError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def train_command(options: argparse.Namespace) -> None:
    """Train once; write the last policy, one for each --keep, and the log of evaluations."""
    overrides = parse_assignments(options.set)
    env = load_zoo().find("env", options.env)
    config = resolve(ENTRY, Config, env=env, action_kind=ENTRY.actions[0], overrides=overrides).config
    recipe = Recipe(
        name=f"seed{options.seed}",
        config=config,
        seed=options.seed,
        options=parse_assignments(options.env_option, "--env-option"),
        record=options.record,
        split=options.split,
    )
    run(options.env, recipe, options.out, keep=options.keep)


def ship_command(options: argparse.Namespace) -> None:
    """Carry out the environment's recipes."""
    if options.env not in RECIPES:
        raise UsageError(f"nothing is shipped for {options.env!r}; there are recipes for {', '.join(sorted(RECIPES))}.")
    for recipe in RECIPES[options.env]:
        if options.only in (None, recipe.name):
            run(options.env, recipe, options.out)


def run(env: str, recipe: Recipe, out: Path, *, keep: Sequence[float] = ()) -> None:
    """Train by a recipe and write into `out`, each name beginning with `<env>-<recipe>`:

    `.safetensors` (the last policy), `-<return>.safetensors` (the first policy to reach each return of `keep`),
    `-<agent>.safetensors` (each agent's own network, if split), `-replay.safetensors` (all that the learner did, if
    recorded) and `.json` (the evaluations). Files of earlier recipes are taken from `out`.
    """
    if recipe.config.transitions < recipe.config.copies:
        raise SettingError(
            f"transitions={recipe.config.transitions} is less than one step of copies={recipe.config.copies}."
        )
    made = {option: out / f"{env}-{maker}.safetensors" for option, maker in recipe.files.items()}
    for path in made.values():
        if not path.is_file():
            raise UsageError(f"{env}-{recipe.name} needs {path}: make it first, without --only")
    make_env = environment(env, {**recipe.options, **made})
    try:
        out.mkdir(parents=True, exist_ok=True)  # now, and not when minutes of training are at stake
    except OSError as error:
        raise UsageError(f"--out {out}: cannot make this folder: {error}") from error
    recorder, waiting, log = Recorder() if recipe.record else None, sorted(keep), []
    for evaluation, learner in train(make_env, recipe.config, recipe.seed, recorder=recorder):
        log.append(evaluation)
        _report(evaluation)
        while waiting and evaluation.return_mean >= waiting[0]:
            path = out / f"{env}-{recipe.name}-{waiting.pop(0):g}.safetensors"
            print(path, save_policy(path, learner, _about(recipe, evaluation)))
    _save_all(out / f"{env}-{recipe.name}", learner, recorder, recipe, log)


def environment(name: str, options: Mapping[str, Any]) -> MakeEnv:
    """The zoo's environment of that name, with these options."""
    factory = load_zoo().find("env", name).load()
    try:
        inspect.signature(factory).bind(1, **options)
    except TypeError as error:
        raise UsageError(f"--env-option: {name} does not take these options: {error}") from error
    return lambda num_envs: factory(num_envs, **options)


def _save_all(stem: Path, learner: MATD3, recorder: Recorder | None, recipe: Recipe, log: Sequence[Evaluation]) -> None:
    """Everything a finished run leaves behind, under names that begin with `stem`."""
    about, team = _about(recipe, log[-1]), learner.team
    path = stem.with_name(f"{stem.name}.safetensors")
    if recipe.agent:
        print(path, save_agent(path, learner, team.agents.index(recipe.agent), about))
    else:
        print(path, save_policy(path, learner, about))
    for agent in range(team.n if recipe.split else 0):
        path = stem.with_name(f"{stem.name}-{team.agents[agent]}.safetensors")
        print(path, save_agent(path, learner, agent, about))
    if recorder:
        path = stem.with_name(f"{stem.name}-replay.safetensors")
        print(path, save_record(path, recorder, team, about))
    evaluations = [dataclasses.asdict(evaluation) for evaluation in log]
    text = json.dumps({**about, "evaluations": evaluations}, indent=1)
    stem.with_name(f"{stem.name}.json").write_text(text + "\n", encoding="utf-8")


def _about(recipe: Recipe, evaluation: Evaluation) -> dict[str, Any]:
    """What a file says of its origin."""
    return {
        "algorithm": "matd3",
        "seed": recipe.seed,
        "env_options": {**recipe.options, **{option: f"made by {maker}" for option, maker in recipe.files.items()}},
        "config": dataclasses.asdict(recipe.config),
        "transitions": evaluation.transitions,
        "updates": evaluation.updates,
        "return_mean": evaluation.return_mean,
        "return_sd": evaluation.return_sd,
    }


def _report(evaluation: Evaluation) -> None:
    e = evaluation
    agents = " ".join(f"{value:.1f}" for value in e.agent_returns)
    print(
        f"{e.transitions:>9} transitions {e.updates:>6} updates {e.seconds:>6.0f} s"
        f"   return {e.return_mean:.1f} ± {e.return_sd:.1f}   agents {agents}",
        file=sys.stderr,
        flush=True,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m zoo_matd3",
        description=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--env", required=True, help="an environment of the zoo, e.g. mpe-cn")
    common.add_argument("--out", required=True, type=Path, help="folder for policies, records and logs")

    training = commands.add_parser("train", parents=[common], help="train online and keep policies")
    training.add_argument("--seed", type=int, default=0)
    training.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, e.g. lr=0.0005")
    training.add_argument("--env-option", action="append", default=[], metavar="KEY=VALUE", help="e.g. control=all")
    training.add_argument(
        "--keep",
        action="append",
        default=[],
        type=float,
        metavar="RETURN",
        help="also keep the first policy that reaches this return",
    )
    training.add_argument("--record", action="store_true", help="keep reset seeds and executed actions")
    training.add_argument("--split", action="store_true", help="also write each agent's own network, e.g. a prey's")
    training.set_defaults(command=train_command)

    ship = commands.add_parser("ship", parents=[common], help="make again what the environment's plugin ships")
    ship.add_argument("--only", choices=sorted({r.name for recipes in RECIPES.values() for r in recipes}))
    ship.set_defaults(command=ship_command)
    return parser
