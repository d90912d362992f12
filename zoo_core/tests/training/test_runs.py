"""Run folders: what they record, how they resume, and what is refused."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import queue
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from zoo_core import Phase, Rows
from zoo_core.errors import (
    AmbiguousName,
    CheckpointCorrupt,
    IncompatiblePair,
    PluginError,
    RunError,
    RunLocked,
    SettingError,
    TrainingDiverged,
    UnknownName,
    UsageError,
)
from zoo_core.plugins import Offer, Zoo
from zoo_core.training import RunFolder, load_policy, manifest, phase_cache, train
from zoo_core.training.events import Evaluated, Finished, Note, Progress, Started
from zoo_core.training.interrupts import RunInterrupted, Stop
from zoo_core.training.parallel import Worker

pytestmark = pytest.mark.usefixtures("toy_zoo")


RECALL = phase_cache.recall


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """No pictures, which take longer than training the toy, and no phases kept from test to test."""
    monkeypatch.setattr("zoo_core.training.run.draw_curve", lambda *args, **kwargs: "")
    monkeypatch.setattr(phase_cache, "recall", lambda folder: None)


def weights(folder):
    """The newest checkpoint's tensors."""
    newest = sorted((Path(folder) / "checkpoints").glob("*.safetensors"))[-1]
    return safetensors.torch.load_file(newest)


def rows(folder):
    """Metric rows without what the clock decides."""
    lines = (Path(folder) / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(t, second[name]) for name, t in first.items())


def stop_at(stop, iteration):
    """An observer that asks to stop once an evaluation after this iteration was made."""

    def observe(event):
        if isinstance(event, Evaluated) and event.iteration >= iteration:
            stop.request(signal.SIGTERM)

    return observe


def interrupted(request, iteration):
    stop = Stop()
    with pytest.raises(RunInterrupted) as caught:
        train(request, observer=stop_at(stop, iteration), stop=stop)
    assert caught.value.exit_code == 143
    return next(Path(request.out).rglob("config.json")).parent


def test_a_run_folder_holds_everything_resolved_with_its_origins(ask):
    run = train(ask(settings={"batch_size": 8})).runs[0]
    config = RunFolder(run.folder).config
    assert config["settings"]["lr"] == {
        "value": 0.01, "from": "published: continuous", "source": "chosen for the tests"
    }  # fmt: skip
    assert config["settings"]["batch_size"]["from"] == "--set"
    assert config["dataset"]["name"] == "toy-line/random"
    manifest = RunFolder(run.folder).manifest
    assert manifest["versions"]["torch"] == torch.__version__
    assert manifest["plugins"]["zoo-toy"].startswith("0.1.0 ")
    assert manifest["modes"] == {"device": "cpu", "compile": False, "threads": 1, "precision": "high"}
    assert manifest["dataset"]["hash"] == config["dataset"]["hash"]
    assert {"metrics.csv", "evaluations.json"} <= {p.name for p in run.folder.iterdir()}
    with open(run.folder / "metrics.csv") as file:
        assert [int(r["iteration"]) for r in csv.DictReader(file)] == list(range(1, 26))


def test_the_path_says_env_dataset_algorithm_and_seed(ask):
    folder = train(ask(seeds=(3,))).runs[0].folder
    assert folder.parts[-4:-1] == ("toy-line", "random", "toy")
    assert folder.name.startswith("seed3-")


def test_curve_and_final_score_have_the_episodes_asked_for(ask):
    evaluations = train(ask()).runs[0].evaluations
    assert [e.iteration for e in evaluations.periodic] == [0, 10, 20, 25]
    assert {e.score.count for e in evaluations.periodic} == {20}
    assert evaluations.final.score.count == len(evaluations.final.returns) == 40
    assert evaluations.final.first_seed != evaluations.periodic[0].first_seed


def test_a_resumed_run_is_the_run(ask, tmp_path):
    whole = train(ask(out=str(tmp_path / "whole"))).runs[0]
    folder = interrupted(ask(), 10)
    assert rows(folder)[-1]["iteration"] == 10
    interrupted(ask(), 20)
    resumed = train(ask()).runs[0]
    assert resumed.folder == folder
    assert same(weights(whole.folder), weights(folder))
    assert rows(whole.folder) == rows(folder)
    assert whole.evaluations == resumed.evaluations


def test_metrics_written_after_the_checkpoint_leave_no_duplicates(ask, tmp_path):
    whole = train(ask(out=str(tmp_path / "whole"))).runs[0]
    folder = interrupted(ask(), 10)
    with open(folder / "metrics.jsonl", "a") as file:
        file.write('{"iteration": 11, "phase": "train"}\n{"iteration": 12, "pha')
    train(ask())
    assert rows(folder) == rows(whole.folder)


def test_rows_that_span_a_checkpoint_are_those_of_the_uninterrupted_run(ask, tmp_path, monkeypatch):
    monkeypatch.setattr("zoo_core.training.run.ROWS", 3)  # a row every 8 iterations
    whole = train(ask(out=str(tmp_path / "whole"))).runs[0]
    folder = interrupted(ask(), 10)
    train(ask())
    assert [r["iteration"] for r in rows(folder)] == [5, 8, 16, 24, 25]
    assert rows(folder) == rows(whole.folder)


def test_the_same_command_on_a_finished_run_trains_nothing(ask):
    first = train(ask()).runs[0]
    before = weights(first.folder)
    events = []
    second = train(ask(), observer=events.append).runs[0]
    assert second.already
    assert second.folder == first.folder
    assert second.evaluations == first.evaluations
    assert not any(isinstance(event, Started) for event in events)
    assert same(before, weights(first.folder))


def test_again_starts_another_run_beside_the_first(ask):
    first = train(ask()).runs[0]
    second = train(ask(again=True)).runs[0]
    third = train(ask(again=True)).runs[0]
    assert [second.folder.name, third.folder.name] == [f"{first.folder.name}-2", f"{first.folder.name}-3"]
    assert same(weights(first.folder), weights(second.folder))
    assert train(ask()).runs[0].folder == third.folder


def test_another_setting_is_another_run(ask):
    first, second = train(ask()).runs[0], train(ask(settings={"label": "other"})).runs[0]
    assert first.folder != second.folder


def test_changed_code_is_refused_unless_allowed_and_then_recorded(ask, monkeypatch):
    folder = interrupted(ask(), 10)
    monkeypatch.setattr("zoo_core.training.manifest.source_hash", lambda package: "f" * 64)
    with pytest.raises(
        RunError, match=r"zoo-core's source: .* → ffff.*zoo-toy: 0.1.0 .* → 0.1.0 ffff.*--allow-changed"
    ):
        train(ask())
    train(ask(allow_changed=True))
    (change,) = RunFolder(folder).manifest["changes"]
    assert [text.partition(":")[0] for text in change["changed"]] == ["zoo-core's source", "zoo-toy"]


def test_a_change_of_the_core_alone_is_refused_by_name(ask, monkeypatch):
    interrupted(ask(), 10)
    honest = manifest.source_hash
    monkeypatch.setattr(manifest, "source_hash", lambda package: "f" * 64 if package == "zoo_core" else honest(package))
    with pytest.raises(RunError, match=r"begun with something else: zoo-core's source: [0-9a-f]{16} → f{16}\. "):
        train(ask())


def test_a_run_begun_before_the_core_was_recorded_goes_on_with_a_warning_and_is_held_to_it_from_then_on(ask):
    folder = RunFolder(interrupted(ask(), 10))
    recorded = folder.manifest
    core = recorded.pop("core")["zoo-core's source"]
    (folder.path / "manifest.json").write_text(json.dumps(recorded))
    events = []
    train(ask(), observer=events.append)
    (warning,) = [event.text for event in events if isinstance(event, Note) and event.warning]
    assert f"cannot be told (zoo-core's source: not recorded → {core})" in warning
    assert folder.manifest["core"] == {"zoo-core's source": core}
    assert folder.manifest["changes"][0]["changed"] == [f"zoo-core's source: not recorded → {core}"]


def test_modes_left_open_are_those_the_run_began_with(ask):
    folder = interrupted(ask(threads=2), 10)
    with pytest.raises(RunError, match="threads: 2 → 1"):
        train(ask(threads=1))
    train(ask())
    assert RunFolder(folder).manifest["modes"]["threads"] == 2


def test_torch_settings_are_put_back(ask):
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    train(ask(threads=2, precision="medium"))
    assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == before


def test_a_second_process_on_the_same_run_is_refused_with_the_holders_pid(ask):
    folder = RunFolder(interrupted(ask(), 10))
    holder = subprocess.Popen([sys.executable, "-c", HOLD.format(str(folder.path))], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline().strip() == "held"
        with pytest.raises(RunLocked, match=f"process {holder.pid}"):
            train(ask())
    finally:
        holder.kill()
        holder.wait()
    # Its lock died with it, its pid file did not.
    assert (folder.path / "pid").read_text().strip() == str(holder.pid)
    assert train(ask()).runs[0].folder == folder.path


HOLD = """
import sys, time, pathlib
from zoo_core.training.folder import RunFolder
with RunFolder(pathlib.Path({!r})).held():
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_damaged_checkpoint_falls_back_with_a_warning_to_equal_bits(ask, tmp_path):
    whole = train(ask(out=str(tmp_path / "whole"))).runs[0]
    folder = interrupted(ask(checkpoint_every=4), 20)
    newest = sorted((folder / "checkpoints").glob("*.safetensors"))[-1]
    newest.write_bytes(newest.read_bytes()[:-8] + b"\0" * 8)
    events = []
    train(ask(checkpoint_every=4), observer=events.append)
    assert any(isinstance(e, Note) and e.warning and newest.name in e.text for e in events)
    assert same(weights(whole.folder), weights(folder))
    assert rows(whole.folder) == rows(folder)


def test_no_whole_checkpoint_is_an_error_and_changes_nothing(ask):
    folder = interrupted(ask(checkpoint_every=4), 20)
    for path in (folder / "checkpoints").glob("*.safetensors"):
        path.write_bytes(b"")
    before = (folder / "metrics.jsonl").read_bytes()
    with pytest.raises(CheckpointCorrupt):
        train(ask(checkpoint_every=4))
    assert (folder / "metrics.jsonl").read_bytes() == before


def test_divergence_keeps_the_last_good_checkpoint_and_says_which_loss(ask, tmp_path):
    with pytest.raises(TrainingDiverged, match=r"'critic' became nan in iteration 12.*checkpoint of iteration 10"):
        train(ask(algo="toy-diverges", checkpoint_every=2))
    folder = next((tmp_path / "runs").rglob("config.json")).parent
    assert all(torch.isfinite(t).all() for t in weights(folder).values())


def test_a_process_that_is_killed_says_what_goes_on_and_what_shows_more(ask):
    worker = Worker(ask(), 3, queue.Queue())
    try:
        worker.process.kill()
        failure = worker.failure()
    finally:
        worker.close()
    assert failure.seed == 3
    assert "killed by SIGKILL, often for lack of memory (fewer --jobs leave more for each)" in failure.message
    assert "The same command resumes it" in failure.message
    assert "--seed 3 with --debug shows where" in failure.message


def test_a_run_that_its_algorithm_no_longer_reads_says_what_to_install(ask, toy_zoo):
    folder = RunFolder(train(ask()).runs[0].folder)
    config = folder.config
    config["settings"]["gone"] = {"value": 1, "from": "default", "source": ""}
    (folder.path / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        PluginError, match=r"toy no longer takes .*'gone'.* Install the versions that its manifest.json"
    ):
        load_policy(folder.path, toy_zoo, print)


def test_one_failing_seed_does_not_stop_the_others(ask, monkeypatch):
    import zoo_core.training.run as module

    honest = module.make_learner

    def make(plan, seeds, device):
        if seeds == (1,):
            raise TrainingDiverged("seed 1 went wrong")
        return honest(plan, seeds, device)

    monkeypatch.setattr(module, "make_learner", make)
    result = train(ask(seeds=(0, 1, 2)))
    assert [run.seed for run in result.runs] == [0, 2]
    assert [(f.seed, f.message) for f in result.failures] == [(1, "seed 1 went wrong")]
    assert result.exit_code == 1


def test_seeds_side_by_side_are_the_seeds_alone(ask, tmp_path):
    alone = train(ask(out=str(tmp_path / "alone"), seeds=(0, 1))).runs
    events = []
    beside = train(ask(seeds=(0, 1), jobs=2), observer=events.append).runs
    assert all(same(weights(a.folder), weights(b.folder)) for a, b in zip(alone, beside, strict=True))
    assert {event.seed for event in events if isinstance(event, Finished)} == {0, 1}
    assert any(isinstance(event, Progress) for event in events)


def test_side_by_side_reports_the_failure_of_one(ask):
    result = train(ask(algo="toy-diverges", seeds=(0, 1), jobs=2))
    assert [f.seed for f in result.failures] == [0, 1] or [f.seed for f in result.failures] == [1, 0]
    assert "became nan" in result.failures[0].message
    assert result.exit_code == 1


@pytest.mark.parametrize("mode", ["auto", "off"])
def test_settings_an_algorithm_cannot_be_built_with_are_the_users_error(ask, mode):
    with pytest.raises(SettingError, match=r"toy cannot be built with these settings .*learning rate: -1.0"):
        train(ask(settings={"lr": -1.0}, compile=mode))


def test_a_run_that_cannot_be_built_leaves_no_folder_and_one_that_exists_stays(ask, tmp_path):
    impossible = {"settings": {"lr": -1.0}}
    with pytest.raises(SettingError):
        train(ask(**impossible))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "runs").mkdir()
    with pytest.raises(SettingError):
        train(ask(**impossible))
    assert list(tmp_path.rglob("*")) == [tmp_path / "runs"]
    folder = train(ask()).runs[0].folder
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SettingError):
        train(ask(**impossible))
    assert sorted(tmp_path.rglob("*")) == before
    assert RunFolder(folder).finished


@pytest.mark.parametrize("name", ["config.json", "manifest.json", "evaluations.json"])
@pytest.mark.parametrize("damage", ["{}", "[]", "null", "{"])
def test_a_damaged_record_of_a_run_is_named_and_nothing_is_lost(ask, toy_zoo, name, damage):
    folder = interrupted(ask(), 10)
    (folder / name).write_text(damage)
    before = weights(folder)
    with pytest.raises(RunError, match=name):
        train(ask())
    if name == "config.json":
        with pytest.raises(RunError, match=name):
            load_policy(folder, toy_zoo, print)
    assert same(before, weights(folder))


def test_a_final_score_can_be_interrupted_and_made_later(ask, tmp_path):
    whole = train(ask(out=str(tmp_path / "whole"))).runs[0]
    folder = interrupted(ask(), 25)
    assert json.loads((folder / "evaluations.json").read_text())["final"] is None
    assert train(ask()).runs[0].evaluations == whole.evaluations


def test_a_rate_that_diverges_while_compilation_is_weighed_is_reported_by_the_run_itself(ask, monkeypatch, tmp_path):
    monkeypatch.setattr("zoo_core.training.modes.shutil.which", lambda name: name)
    with pytest.raises(TrainingDiverged, match=r"'critic' became nan in iteration 12 .*checkpoint of iteration 10"):
        train(ask(algo="toy-diverges", checkpoint_every=2, compile="auto"))


def test_a_full_disk_is_a_clear_error_and_the_run_resumes(ask, tmp_path, monkeypatch):
    import errno

    whole = train(ask(out=str(tmp_path / "whole"))).runs[0]
    folder = interrupted(ask(), 10)
    honest = os.fsync

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"the disk is full\. The last complete checkpoint is untouched"):
        train(ask())
    with pytest.raises(RunError, match=r"the disk is full\. There is no checkpoint yet"):
        train(ask(out=str(tmp_path / "new")))
    assert not (tmp_path / "new").exists()
    monkeypatch.setattr(os, "fsync", honest)
    train(ask())
    assert same(weights(whole.folder), weights(folder))


def test_a_kept_phase_is_taken_from_the_cache_with_equal_bits(ask, tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_DATA", str(Path(os.environ["ZOO_CACHE"]) / "data"))
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "fresh"))
    monkeypatch.setattr(phase_cache, "recall", RECALL)
    computed, recalled = [], []
    first = train(ask(), observer=computed.append).runs[0]
    second = train(ask(again=True), observer=recalled.append).runs[0]
    third = train(ask(settings={"fit": 4}), observer=computed.append).runs[0]
    assert not any(isinstance(e, Note) and "cache" in e.text for e in computed)
    assert any(isinstance(e, Note) and "'fit': taken from the cache" in e.text for e in recalled)
    assert same(weights(first.folder), weights(second.folder))
    assert not same(weights(first.folder), weights(third.folder))


def test_what_a_phase_draws_is_part_of_what_its_outcome_is_kept_under():
    def kept_under(**need):
        phase = Phase("fit", Rows(8, next_action=True, **need), (), reuse=())
        return phase_cache.phase_folder(phase, config=None, length=5, seed=0, context={})

    assert kept_under() == kept_under(truncation="skip")
    assert kept_under() != kept_under(truncation="full")


def test_algorithms_share_an_outcome_only_under_a_common_name():
    def kept_under(algorithm, reuse_as):
        phase = Phase("fit", Rows(8), (), reuse=(), reuse_as=reuse_as)
        return phase_cache.phase_folder(phase, config=None, length=5, seed=0, context={"algorithm": algorithm})

    assert kept_under("one", "") != kept_under("other", "")
    assert kept_under("one", "both") == kept_under("other", "both")
    assert kept_under("one", "both") != kept_under("one", "")


def test_tensorboard_logs_are_written_on_request(ask):
    pytest.importorskip("tensorboard")
    run = train(ask(tensorboard=True)).runs[0]
    assert list((run.folder / "tensorboard").glob("events*"))


def test_the_trained_policy_can_be_loaded_without_the_dataset(ask, toy_zoo):
    run = train(ask()).runs[0]
    policy = load_policy(run.folder, toy_zoo, print)
    assert policy.iteration == 25
    stored = weights(run.folder)
    assert all(torch.equal(p, stored[f"model/{name}"]) for name, p in policy.algorithm.named_parameters())


def test_a_policy_loads_though_another_plugin_offers_its_names_too(ask, toy_zoo):
    run = train(ask(algo="zoo-toy:toy")).runs[0]
    record = RunFolder(run.folder).config
    assert record["offered"] == {"algorithm": "zoo-toy:toy", "env": "zoo-toy:toy-line"}
    assert "offered" not in record["identity"]
    twins = [
        Offer(dataclasses.replace(toy_zoo.find(kind, name), factory="nowhere:nothing"), "zoo-twin", "1.0")
        for kind, name in (("algorithm", "toy"), ("env", "toy-line"))
    ]
    zoo = Zoo.assemble([*toy_zoo.algorithms, *toy_zoo.envs, *twins], toy_zoo.plugins)
    with pytest.raises(AmbiguousName):
        zoo.find("algorithm", "toy")
    assert load_policy(run.folder, zoo, print).iteration == 25


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"algo": "tyo"}, UnknownName, "Did you mean 'toy'"),
        ({"env": "toy-lime"}, UnknownName, "Did you mean 'toy-line'"),
        ({"env": "toy-discrete"}, IncompatiblePair, "works with: toy-line"),
        ({"quality": "rnadom"}, UsageError, "Did you mean 'random'"),
        ({"settings": {"lrr": 1.0}}, SettingError, "Did you mean 'lr'"),
        ({"settings": {"lr": "fast"}}, SettingError, "lr takes float"),
        ({"settings": {"lr": float("inf")}}, SettingError, "lr must be a finite number"),
        ({"settings": {"iterations": 0}, "iterations": None}, SettingError, "iterations must be at least 1"),
        (
            {"quality": "best", "dataset": "toy-line/random"},
            UsageError,
            "no settings for toy-line data of quality 'best'",
        ),
        ({"preset": "gentel"}, SettingError, "Did you mean 'gentle'"),
        ({"mixer": "vdn"}, UsageError, "vdn"),
        ({"env": ""}, UsageError, "--env"),
        ({"device": "cuda"}, UsageError, "no GPU"),
    ],
)
def test_what_is_wrong_with_a_request_is_said_before_anything_is_written(ask, tmp_path, given, error, message):
    if given.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(error, match=message):
        train(ask(**given))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("given", [{"jobs": 0}, {"iterations": 0}, {"seeds": ()}, {"seeds": (1, 1)}, {"seeds": (-1,)}])
def test_impossible_numbers_are_refused(ask, given):
    with pytest.raises(UsageError):
        ask(**given)
