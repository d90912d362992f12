"""The results ledger: its page says what the result files say, and the files are what the ledger would write."""

import importlib
import json
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
KEPT = sorted((ROOT / "results").glob("*/*/*-seed*.json"))


@pytest.fixture
def scripts(monkeypatch):
    """The two script modules, importable as they are when run."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    yield importlib.import_module("ledger"), importlib.import_module("results_page")
    for name in ("ledger", "results_page"):
        sys.modules.pop(name, None)


def result(algorithm, seed, mean):
    """A result file's content, small; one seed's final return is `mean`."""
    score = {"mean": mean, "std": 10.0, "episodes": 100}
    return {
        "quality": "random", "algorithm": algorithm, "seed": seed, "preset": "published",
        "settings": {"iterations": 2001}, "dataset": {"return": 160.0},
        "reference": {"random": 100.0, "expert": 200.0, "source": "as published"},
        "final": score, "best": {**score, "mean": mean + 5}, "train_seconds": 600.0,
        "curve": [[0, 100.0, 1.0, 100], [2001, mean, 1.0, 100]],
        "metrics": {"iteration": [0, 2001], "critic/w/0": [0.5, 0.6], "critic/w/1": [0.5, 0.4]},
    }  # fmt: skip


def budget(kept):
    """The iterations a cell states, None for the published number."""
    return None if kept.get("budget", "published") == "published" else kept["budget"]


def write_results(folder, *results):
    for r in results:
        path = folder / "mpe-cn" / r["quality"] / f"{r['algorithm']}-seed{r['seed']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(r))
    (folder / "published.yaml").write_text("mpe-cn: {random: {spacql: [78.2, 14]}}\n")


def cells_of(page):
    lines = [line for line in page.splitlines() if line.startswith("| random")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_one_seed_stands_with_its_interval_over_episodes_and_the_published_number(scripts, tmp_path):
    write_results(tmp_path / "results", result("spacql", 0, 150.0))
    (tmp_path / "docs").mkdir()
    scripts[1].write_page(tmp_path / "results", tmp_path / "docs")
    (row,) = cells_of((tmp_path / "docs" / "results.md").read_text())
    assert row[5:11] == ["1", "150.0", "2.0", "**50.0**", "55.0", "78.2 ± 14"]  # 1.984 · 10 / √100
    assert (tmp_path / "docs" / "figures" / "mpe-cn-curves.png").stat().st_size > 1000
    assert (tmp_path / "docs" / "figures" / "mpe-cn-weights.png").stat().st_size > 1000


def test_several_seeds_are_averaged_with_an_interval_over_seeds(scripts, tmp_path):
    write_results(tmp_path / "results", *(result("cfcql", seed, 140.0 + 10 * seed) for seed in range(3)))
    (tmp_path / "docs").mkdir()
    scripts[1].write_page(tmp_path / "results", tmp_path / "docs")
    (row,) = cells_of((tmp_path / "docs" / "results.md").read_text())
    assert row[5:9] == ["3", "150.0", "24.8", "**50.0**"]  # 4.303 · 10 / √3


def test_a_short_budget_stands_in_a_table_of_its_own_that_says_so(scripts, tmp_path):
    short = {**result("spacql", 0, 120.0), "budget": 500, "settings": {"iterations": 500}}
    write_results(tmp_path / "results", result("spacql", 0, 150.0))
    folder = tmp_path / "results" / "mpe-cn" / "random"
    (folder / "spacql-seed0-500it.json").write_text(json.dumps(short))
    (tmp_path / "docs").mkdir()
    scripts[1].write_page(tmp_path / "results", tmp_path / "docs")
    page = (tmp_path / "docs" / "results.md").read_text()
    assert [(row[4], row[6]) for row in cells_of(page)] == [("2,001", "150.0"), ("500", "120.0")]
    assert "## mpe-cn\n" in page
    assert "## mpe-cn, 500 iterations\n" in page
    assert (tmp_path / "docs" / "figures" / "mpe-cn-500it-curves.png").stat().st_size > 1000


def test_tables_go_from_the_published_budget_to_the_smallest(scripts, tmp_path):
    write_results(tmp_path / "results", result("spacql", 0, 150.0))
    for count in (200, 2000):
        short = {**result("spacql", 0, 120.0), "budget": count, "settings": {"iterations": count}}
        (tmp_path / "results" / "mpe-cn" / "random" / f"spacql-seed0-{count}it.json").write_text(json.dumps(short))
    assert list(scripts[1].read(tmp_path / "results" / "mpe-cn")) == ["published", 2000, 200]


def test_scores_name_their_pair_and_published_numbers_of_another_game_are_marked_as_such(scripts, tmp_path):
    own = {**result("spacql", 0, 150.0), "reference": {"random": 90.0, "expert": 210.0, "source": "own prey: played"}}
    write_results(tmp_path / "results", own)
    (tmp_path / "docs").mkdir()
    published = tmp_path / "results" / "published.yaml"
    published.write_text("mpe-cn: {about: {numbers: theirs, game: another prey}, random: {spacql: [78.2, 14]}}\n")
    scripts[1].write_page(tmp_path / "results", tmp_path / "docs")
    page = (tmp_path / "docs" / "results.md").read_text()
    assert cells_of(page)[0][8:11] == ["**50.0**", "54.2", "78.2 ± 14 (another prey)"]
    assert "Normalised with random 90 and expert 210: own prey: played." in page
    assert "*published* is theirs." in page
    assert "of **another prey**" in page
    published.write_text("mpe-cn: {about: {numbers: theirs}, random: {spacql: [78.2, 14]}}\n")
    scripts[1].write_page(tmp_path / "results", tmp_path / "docs")
    assert "another prey" not in (tmp_path / "docs" / "results.md").read_text()


def test_every_environment_with_published_numbers_says_what_they_are(scripts):
    published = yaml.safe_load((ROOT / "results" / "published.yaml").read_text(encoding="utf-8"))
    assert all(env["about"]["numbers"] for env in published.values())
    games = {name: env["about"].get("game") for name, env in published.items()}
    assert games["mpe-cn"] is None
    assert all(game for name, game in games.items() if name != "mpe-cn")


def test_no_result_is_left_out_whatever_its_algorithm_and_data_are_called(scripts, tmp_path):
    results = [result("zeta", 0, 150.0), result("bc", 0, 150.0), {**result("bc", 0, 150.0), "quality": "correlated"}]
    write_results(tmp_path / "results", *results)
    (tmp_path / "docs").mkdir()
    scripts[1].write_page(tmp_path / "results", tmp_path / "docs")
    page = (tmp_path / "docs" / "results.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:]] for line in page.splitlines() if line.startswith("| ")]
    assert [(row[0], row[2]) for row in rows[2:]] == [("random", "bc"), ("random", "zeta"), ("correlated", "bc")]


def test_a_cell_with_a_budget_says_it_in_its_command_and_its_file(scripts):
    published, short = (scripts[0].Cell("mpe-pp", "expert", "bc", 0, budget) for budget in (None, 500))
    assert published.command(Path("runs"))[-4:] == ["on", "--out", "runs", "--json"]
    command = short.command(Path("runs"))
    assert command[command.index("--iterations") + 1] == "500"
    assert short.result.name == "bc-seed0-500it.json" != published.result.name


def test_a_cell_with_settings_says_them_in_its_command_its_file_and_its_row(scripts, tmp_path):
    cell = scripts[0].Cell("mpe-cn", "random", "cfcql", 0, 500, ("heads=10",))
    command = cell.command(Path("runs"))
    assert command[command.index("--set") + 1] == "heads=10"
    assert cell.result.name == "cfcql-seed0-500it-heads=10.json"
    plain, ten = result("cfcql", 0, 140.0), {**result("cfcql", 1, 150.0), "set": ["heads=10"]}
    ten["metrics"] = {"iteration": [0, 2001], "critic/u": [0.5, 0.6]}
    write_results(tmp_path / "results", plain, ten)
    (tmp_path / "docs").mkdir()
    scripts[1].write_page(tmp_path / "results", tmp_path / "docs")
    rows = cells_of((tmp_path / "docs" / "results.md").read_text())
    assert [(row[2], row[5], row[6]) for row in rows] == [("cfcql", "1", "140.0"), ("cfcql, heads=10", "1", "150.0")]
    assert (tmp_path / "docs" / "figures" / "mpe-cn-disagreement.png").stat().st_size > 1000


def test_rows_of_a_short_budget_are_named_by_the_settings_in_which_they_differ(scripts, tmp_path):
    base = {**result("cfcql", 0, 140.0), "budget": 500, "set": ["heads=10"]}
    write_results(tmp_path / "results", base, {**base, "seed": 1, "set": ["heads=10", "tau=0.02"]})
    found = scripts[1].read(tmp_path / "results" / "mpe-cn")[500]
    assert sorted(found) == [("random", "cfcql"), ("random", "cfcql, tau=0.02")]
    assert scripts[1]._settings(found) == "Settings other than the presets': cfcql with `heads=10`."


def test_settings_that_all_rows_share_are_said_where_each_differs_in_another(scripts, tmp_path):
    rows = ({**result("cfcql", seed, 140.0), "budget": 500, "set": ["heads=10", f"tau=0.0{seed}"]} for seed in (1, 2))
    write_results(tmp_path / "results", *rows)
    found = scripts[1].read(tmp_path / "results" / "mpe-cn")[500]
    assert sorted(found) == [("random", "cfcql, tau=0.01"), ("random", "cfcql, tau=0.02")]
    assert scripts[1]._settings(found) == "Settings other than the presets': cfcql with `heads=10`."


def test_a_legend_has_as_many_columns_as_fit_into_its_figure(scripts):
    columns = scripts[1]._columns
    assert columns(["bc", "data", "omcda"], 3.6) == 3
    assert columns(["bc", "omcda, constraint_lr=0.0002"], 3.6) == 1
    assert columns(["bc", "data", "omcda, constraint_lr=0.0002"], 7.2) == 2
    assert columns(["x" * 99], 3.6) == 1


def test_a_cell_where_episodes_are_long_says_how_many_are_played(scripts):
    cell = scripts[0].Cell("mamujoco-hopper-3x1", "expert", "bc", 0, episodes=(10, 100))
    command = cell.command(Path("runs"))
    assert command[command.index("--eval-episodes") + 1] == "10"
    assert command[command.index("--final-episodes") + 1] == "100"
    assert cell.result.name == "bc-seed0.json"


def test_presets_of_one_algorithm_are_rows_and_files_of_their_own(scripts, tmp_path):
    plain, named = (scripts[0].Cell("mpe-cn", "random", "cfcql", 0, preset=preset) for preset in (None, "zoo"))
    command = named.command(Path("runs"))
    assert command[command.index("--preset") + 1] == "zoo"
    assert (plain.result.name, named.result.name) == ("cfcql-seed0.json", "cfcql-seed0-zoo.json")
    write_results(tmp_path / "results", result("cfcql", 0, 140.0), {**result("cfcql", 1, 150.0), "preset": "zoo"})
    (tmp_path / "docs").mkdir()
    scripts[1].write_page(tmp_path / "results", tmp_path / "docs")
    rows = cells_of((tmp_path / "docs" / "results.md").read_text())
    assert [(row[2], row[3], row[6]) for row in rows] == [
        ("cfcql, published", "published", "140.0"),
        ("cfcql, zoo", "zoo", "150.0"),
    ]


def test_cells_are_unique_and_each_is_one_training_command(scripts):
    cells = list(scripts[0].cells())
    assert len(set(cells)) == len(cells) >= 20
    assert cells[0].command(Path("runs"))[:2] == ["zoo", "train"]


@pytest.mark.parametrize("path", KEPT, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_a_kept_result_says_how_it_was_made(scripts, path):
    kept = json.loads(path.read_text())
    changed = tuple(kept.get("set", ()))
    played = (kept["best"]["episodes"], kept["final"]["episodes"])
    episodes = None if played == (100, 1000) else played
    preset = kept["preset"] if kept.get("preset_named") else None
    where = kept["env"], kept["quality"], kept["algorithm"], kept["seed"]
    cell = scripts[0].Cell(*where, budget(kept), changed, episodes, preset)
    assert cell.result == path
    assert kept["command"] == " ".join(cell.command(Path("runs")))
    assert kept["curve"][-1][0] == kept["final"]["iteration"]
    assert kept["final"]["iteration"] >= kept["settings"]["iterations"]  # phases before the main one come on top
    assert kept["dataset"]["hash"]
    assert kept["versions"]["torch"]
    assert kept["plugins"]
