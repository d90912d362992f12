"""`zoo train`, `evaluate` and `render`, as a user types them."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "toy_plugin" / "src"))

from zoo_cli.main import main
from zoo_cli.progress import LiveView, LogView, duration, sparkline
from zoo_core.training.events import Building, Evaluated, Failed, Finished, Note, Progress, Started
from zoo_toy.installed import installed_toy


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def zoo(cache, tmp_path, monkeypatch, capsys):
    """Run a command line in this process; gives (exit code, standard output, standard error)."""
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = main(list(arguments))
        out, err = capsys.readouterr()
        return code, out, err

    with installed_toy(cache):
        yield run


TRAIN = (
    "train", "--algo", "toy", "--env", "toy-line", "--iterations", "20", "--eval-every", "10", "--eval-episodes", "20",
    "--final-episodes", "40", "--compile", "off", "--device", "cpu",
)  # fmt: skip


def run_folder():
    return next(Path("runs").rglob("config.json")).parent


def test_train_prints_a_table_a_score_line_and_where_everything_lies(zoo):
    code, out, err = zoo(*TRAIN)
    assert code == 0, err
    assert re.search(r"^ +toy, last +-\d+\.\d\d ± \d+\.\d\d +-?\d+\.\d ± \d+\.\d +40 episodes$", out, re.M)
    assert re.search(r"^ +dataset +-\d+\.\d\d ± ", out, re.M)
    assert "random policy" in out
    assert re.search(
        r"toy on toy-line/random: return -\d+\.\d\d, normalised -?\d+\.\d \(last; 95% interval -\d+\.\d\d to -\d+\.\d\d"
        r" over 40 episodes; seed 0; preset published; 20 iterations\)",
        out,
    )
    assert Path(re.search(r"curve: (.+)", out)[1]).exists()
    assert "iteration 10/25" in err
    assert "final score" in err


def test_the_same_command_again_says_it_is_finished_and_exits_0(zoo):
    zoo(*TRAIN)
    code, out, err = zoo(*TRAIN)
    assert code == 0
    assert "already finished" in err
    assert "toy on toy-line/random: return" in out


def test_json_holds_the_score_of_every_run_and_nothing_else_is_on_stdout(zoo):
    code, out, _ = zoo(*TRAIN, "--seeds", "2", "--json", "--quiet")
    assert code == 0
    content = json.loads(out)
    assert [run["seed"] for run in content["runs"]] == [0, 1]
    final = content["runs"][0]["final"]
    assert final["episodes"] == 40
    assert final["low"] < final["mean"] < final["high"]
    assert content["summary"][0]["over"] == "2 seeds × 40 episodes"
    assert Path(content["curve"]).exists()


def test_quiet_says_nothing_but_the_result(zoo):
    code, out, err = zoo(*TRAIN, "--quiet")
    assert code == 0
    assert err == ""
    assert "toy on toy-line/random" in out


def test_bc_stands_in_the_table_if_a_run_of_it_on_the_same_data_exists(zoo, tmp_path):
    zoo(*TRAIN)
    done = run_folder()
    stand_in = done.parent.parent / "bc" / done.name
    stand_in.mkdir(parents=True)
    for name in ("config.json", "evaluations.json"):
        (stand_in / name).write_bytes((done / name).read_bytes())
    _, out, _ = zoo(*TRAIN)
    assert re.search(r"^ +bc, last +-\d.* 40 episodes, at 25$", out, re.M)
    config = json.loads((stand_in / "config.json").read_text())
    config["dataset"]["hash"] = "of other data"
    (stand_in / "config.json").write_text(json.dumps(config))
    _, out, _ = zoo(*TRAIN)
    assert "bc, last" not in out


def test_a_failing_seed_is_named_and_exits_1(zoo):
    code, out, err = zoo(*TRAIN, "--algo", "toy-diverges", "--seeds", "2")
    assert code == 1
    assert "seed 0 failed: the loss 'critic' became nan in iteration 12" in err
    assert "failed seeds: 0, 1 (of 2)" in err
    assert "return" not in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--algo", "tyo"), 2, "Did you mean 'toy'?"),
        (("--set", "lrr=1"), 2, "Did you mean 'lr'?"),
        (("--set", "lr"), 2, "--set takes key=value"),
        (("--set", "lr=fast"), 2, "lr takes float"),
        (("--env", "toy-discrete"), 2, "toy works with: toy-line"),
        (("--quality", "expret"), 2, "no dataset of quality 'expret'"),
        (("--dataset", "./nowhere"), 2, "nowhere"),
        (("--config", "missing.yaml"), 2, "missing.yaml"),
        (("--seeds", "2", "--seed", "1"), 2, "not both"),
        (("--seeds", "0"), 2, "--seeds"),
        (("--seeds", "0,1"), 2, "--seeds 2 trains seeds 0 and 1"),
        (("--compile", "of"), 2, "Did you mean 'off'"),
    ],
)
def test_bad_input_is_one_clear_error_and_writes_nothing(zoo, arguments, code, message):
    found, out, err = zoo(*TRAIN, *arguments)
    assert (found, out) == (code, "")
    assert message in err
    assert "Traceback" not in err
    assert not Path("runs").exists()


def test_settings_come_from_the_file_and_then_from_set(zoo):
    Path("my.yaml").write_text("lr: 0.5\nbatch_size: 4\n")
    zoo(*TRAIN, "--config", "my.yaml", "--set", "batch-size=8", "--preset", "gentle", "--quiet")
    settings = json.loads((run_folder() / "config.json").read_text())["settings"]
    assert settings["lr"] == {"value": 0.5, "from": "file my.yaml", "source": ""}
    assert (settings["batch_size"]["value"], settings["batch_size"]["from"]) == (8, "--set")


def test_evaluate_scores_the_trained_policy_again(zoo):
    _, out, _ = zoo(*TRAIN, "--json", "--quiet")
    final = json.loads(out)["runs"][0]["final"]
    code, out, _ = zoo("evaluate", str(run_folder()), "--episodes", "40", "--json")
    again = json.loads(out)[0]
    assert code == 0
    assert again["mean"] == pytest.approx(final["mean"], abs=1e-6)
    _, out, _ = zoo("evaluate", "runs", "--episodes", "40", "--seed-offset", "40", "--json")
    assert json.loads(out)[0]["mean"] != again["mean"]
    _, out, _ = zoo("evaluate", "runs", "--episodes", "5")
    assert re.search(r"toy +toy-line/random +0 +25 +-\d+\.\d\d ± ", out)


def test_evaluate_leaves_out_runs_that_have_no_checkpoint_yet(zoo):
    zoo(*TRAIN, "--quiet")
    begun = run_folder().with_name("seed1-00000000")
    begun.mkdir()
    (begun / "config.json").write_bytes((run_folder() / "config.json").read_bytes())
    code, out, err = zoo("evaluate", "runs", "--episodes", "5", "--json")
    assert (code, len(json.loads(out))) == (0, 1)
    assert "seed1-00000000 is left out" in err
    code, _, err = zoo("evaluate", str(begun))
    assert (code, "no checkpoint yet" in err) == (1, True)


@pytest.mark.parametrize("text", [b"\xff\xfe", b"1: 2", b"- 1", b"lr: [", b"lr: fast"])
def test_a_config_file_that_makes_no_sense_is_one_clear_error(zoo, text):
    Path("my.yaml").write_bytes(text)
    code, out, err = zoo(*TRAIN, "--config", "my.yaml")
    assert (code, out) == (2, "")
    assert "my.yaml" in err or "lr takes float" in err
    assert "unexpected" not in err


def test_evaluate_says_what_is_wrong_with_a_folder(zoo):
    code, _, err = zoo("evaluate", "nowhere")
    assert code == 1
    assert "no run at nowhere" in err


def test_render_writes_an_animation(zoo):
    import imageio.v3 as imageio

    zoo(*TRAIN, "--quiet")
    code, out, err = zoo("render", str(run_folder()), "--episodes", "2", "--out", "policy.gif")
    assert code == 0, err
    frames = imageio.imread("policy.gif", index=None)
    assert len(frames) >= 8  # equal neighbours are merged into one that lasts longer
    assert (frames[0] != frames[4]).any()
    assert "2 episodes" in out
    assert "drawing policy.gif: 18 of 18 steps" in err
    assert "--steps" not in err


def test_render_draws_no_more_steps_than_asked_and_says_what_draws_more(zoo, monkeypatch):
    zoo(*TRAIN, "--quiet")
    code, out, err = zoo(
        "render", str(run_folder()), "--episodes", "1", "--steps", "4", "--every", "2", "--out", "a.gif"
    )
    assert code == 0, err
    assert "a.gif: 1 episode, 3 pictures" in out
    assert "whole episodes" not in err  # it was asked for
    monkeypatch.setattr("zoo_cli.frames.LONG", 5)
    code, out, err = zoo("render", str(run_folder()), "--out", "b.gif")
    assert code == 0, err
    assert "b.gif: 1 episode, 6 pictures" in out
    assert "only the first 5 steps of each; whole episodes with --steps 9 --every 2" in err


def test_render_takes_a_folder_that_holds_one_run_and_names_the_runs_of_another(zoo):
    zoo(*TRAIN, "--quiet")
    code, _, err = zoo("render", "runs", "--episodes", "1")
    assert code == 0, err
    assert (run_folder() / "policy.gif").exists()
    zoo(*TRAIN, "--quiet", "--seed", "1")
    code, _, err = zoo("render", "runs")
    assert (code, "runs holds 2 runs: name one of them" in err) == (2, True)


def test_render_refuses_what_it_cannot_write_before_it_starts(zoo, monkeypatch):
    monkeypatch.setattr("zoo_cli.commands.render.find_spec", lambda name: None)
    code, _, err = zoo("render", "nowhere", "--out", "policy.mp4")
    assert (code, "imageio-ffmpeg" in err) == (2, True)
    code, _, err = zoo("render", "nowhere", "--out", "policy.avi")
    assert (code, ".gif or .mp4" in err) == (2, True)


@pytest.mark.parametrize("command", ["train", "evaluate", "render"])
def test_help_has_an_example_and_imports_no_torch(command):
    import subprocess

    script = f"import sys; from zoo_cli.main import main; main([{command!r}, '--help']); print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert f"zoo {command} " in shown.partition("Example")[2]
    assert shown.endswith("False\n")


# --- progress ----------------------------------------------------------------------------------------------------

EVENTS = [
    Building("toy-line/random", 500, 1000),
    Started(0, "runs/x", 0, 100),
    Note("compiled"),
    Evaluated(0, 0, 1.0, 0.5, 1.5, 20, 10.0),
    Progress(0, "train", 50, 100, 5.0, {"critic/loss": 0.25, "critic/q": 3.0, "actor/loss": -2.0}),
    Evaluated(0, 50, 3.0, 2.5, 3.5, 20, 30.0),
    Failed(1, "went wrong"),
    Finished(0, "runs/x"),
]


def test_a_log_file_gets_plain_lines_and_few_of_them(capsys):
    with LogView() as view:
        for event in EVENTS:
            view(event)
        for iteration in range(51, 99):
            view(Progress(0, "train", iteration, 100, 5.0, {}))
    err = capsys.readouterr().err
    assert "building dataset toy-line/random: 500/1,000 transitions" in err
    assert "seed 0  iteration 50/100 (50%)  train  5 it/s  0:10 left  critic 0.25  actor -2" in err
    assert "seed 0  iteration 50/100  return 3.0 ± 0.5  normalised 30.0  (20 episodes)" in err
    assert "seed 1 failed: went wrong" in err
    assert len(err.splitlines()) == 7
    assert "\x1b" not in err


def test_a_terminal_gets_a_row_per_seed_with_rate_losses_and_returns():
    from rich.console import Console

    view = LiveView()
    view.console = Console(width=160, file=io.StringIO())
    for event in EVENTS[1:2] + EVENTS[3:6]:
        view(event)
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(view._render())
    shown = console.export_text()
    for part in ("seed 0", "50/100", "5/s", "0:10", "return 3.0 ▁█", "critic 0.25  actor -2"):
        assert part in shown


def test_sparkline_and_duration():
    assert sparkline([0.0, 1.0, 2.0]) == "▁▅█"
    assert sparkline([1.0, 1.0]) == "▁▁"
    assert [duration(s) for s in (5, 65, 3725)] == ["0:05", "1:05", "1:02:05"]
