"""The pages of docs/algorithms say what the code does: losses and settings exist, defaults are the presets'."""

import importlib
import re
import tomllib
from pathlib import Path

import pytest

import zoo_critics
from zoo_core import EnvEntry, Source, Update, load_zoo
from zoo_core.config import parse_assignments, resolve
from zoo_core.testing import tiny_config, tiny_dataset, tiny_learner, tiny_team

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs" / "algorithms"
FAMILY = ("macql", "cfcql", "icql-qs", "spacql")
MIXED = ("omiga", "omar-mix", "omcda", "icq", "bcq-ma", "cql-ma", "comadice")
ENTRIES = {offer.name: offer.entry for offer in load_zoo().algorithms}
OURS = {tomllib.loads(p.read_text())["project"]["name"] for p in ROOT.glob("plugins/**/pyproject.toml")}
NAMES = sorted(offer.name for offer in load_zoo().algorithms if offer.distribution in OURS)
SECTIONS = ["Equations", "Settings", "Deviations", "Results", "Cite"]
COLUMNS = ("mpe-cn", "mpe-pp", "mpe-world", "mamujoco-halfcheetah-2x3", "somebody-elses")
QUALITIES = ("random", "medium-replay", "medium", "expert")


def resolved(name, env="somebody-elses", quality="", preset=None, **overrides):
    entry, env = ENTRIES[name], EnvEntry(env, "", "", Source(""))
    return resolve(
        entry,
        entry.load().Config,
        env=env,
        action_kind="continuous",
        quality=quality,
        preset=preset,
        overrides=overrides,
    )


def rows(page, heading):
    """The first table after `heading`: its cells as text, header and rule left out."""
    text = (DOCS / page).read_text(encoding="utf-8").partition(heading)[2]
    lines = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE).group().splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def number(text):
    cleaned = text.replace(",", "")
    return float(cleaned) if re.fullmatch(r"[\d.]+", cleaned) else text


@pytest.mark.parametrize("name", FAMILY)
def test_the_table_of_settings_is_what_the_published_preset_resolves_to(name):
    label = ""
    for first, *cells in rows("index.md", "## Settings"):
        label, _, quality = first.partition(": ") if first not in QUALITIES else (label, "", first)
        found = [getattr(resolved(name, env, quality or "random", "published").config, label) for env in COLUMNS]
        assert found == [number(cell) for cell in cells], (label, quality)


@pytest.mark.parametrize("name", FAMILY)
def test_the_values_said_to_hold_everywhere_do(name):
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    said = re.findall(r"`(\w+)` ([\w.]+?)[,.]\s", re.search(r"Everywhere:(.*?)The presets", text, re.DOTALL).group(1))
    assert len(said) == 11
    for env in COLUMNS:
        config = resolved(name, env, "random", "published").config
        assert {key: getattr(config, key) for key, _ in said} == {key: number(value) for key, value in said}


@pytest.mark.parametrize("name", FAMILY)
def test_the_presets_differ_as_their_table_says(name):
    published, zoo = (resolved(name, "mpe-cn", "random", preset).config for preset in ("published", "zoo"))
    found = {key: (value, getattr(zoo, key)) for key, value in vars(published).items() if value != getattr(zoo, key)}
    table = rows("index.md", "The presets differ")
    plain = {"null: the mean over learners": None, "0": 0}
    assert found == {key: tuple(plain.get(cell, cell) for cell in cells[:2]) for key, *cells in table}


@pytest.mark.parametrize("page", [*FAMILY, "index"])
def test_every_setting_a_page_names_with_a_value_can_be_set(page):
    names = FAMILY if page == "index" else (page,)
    said = re.findall(r"`(\w+=[\w.]+)`", (DOCS / f"{page}.md").read_text(encoding="utf-8"))
    assert said or page == "spacql"
    for assignment in said:
        ((key, value),) = parse_assignments([assignment]).items()
        for name in names:
            assert getattr(resolved(name, **{key: value}).config, key) == value


@pytest.mark.parametrize("name", [*FAMILY, "bc"])
@pytest.mark.parametrize("env", ["mpe-cn", "somebody-elses"])
def test_every_value_has_a_source(name, env):
    origins = resolved(name, env, "random").origins
    assert [key for key, origin in origins.items() if not origin.source] == []


@pytest.mark.parametrize("name", MIXED)
def test_what_the_zoo_does_otherwise_than_published_has_a_reason_that_the_page_shows(name):
    published, zoo = resolved(name, preset="published"), resolved(name, preset="zoo")
    differing = {key for key, value in vars(published.config).items() if value != getattr(zoo.config, key)}
    shown = {key: cells for key, *cells in rows(f"{name}.md", "<!-- generated: presets -->")}
    assert shown.keys() == differing
    for key in differing:
        reason = zoo.origins[key].source
        assert reason not in ("", "our choice"), key
        assert shown[key][2] == reason.replace("`", ""), key


def page(name):
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def section(name, heading):
    return page(name).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", NAMES)
def test_an_algorithm_has_a_page_with_every_section(name):
    assert (DOCS / f"{name}.md").exists(), f"write docs/algorithms/{name}.md with the sections {', '.join(SECTIONS)}"
    found = re.findall(r"^## (.+)$", page(name), re.MULTILINE)
    assert [heading for heading in found if heading in SECTIONS] == SECTIONS
    assert "```math" in section(name, "Equations")
    assert "(../results.md)" in section(name, "Results")
    assert re.search(r"```bibtex\n@\w+\{\w+,\n.*title +=.*author +=.*year +=", section(name, "Cite"), re.DOTALL)
    assert f"| [`{name}`]({name}.md) |" in page("index")


@pytest.mark.parametrize("name", NAMES)
def test_a_page_lists_every_setting(name):
    assert {cells[0] for cells in rows(f"{name}.md", "## Settings")} == resolved(name).origins.keys()


def losses(name):
    """The methods that training descends, over every phase and kind of action."""
    entry = ENTRIES[name]
    found = set()
    for kind in entry.actions:
        extra = {"cf_weight": "softmax"} if name == "cfcql" else {}
        config = tiny_config(entry, kind, **extra)
        learner = tiny_learner(entry, tiny_dataset(tiny_team(kind)), config)
        steps = (step for phase in learner.phases for step in phase.steps)
        found |= {step.loss.__name__ for step in steps if isinstance(step, Update)}
    return found


@pytest.mark.parametrize("name", [name for name in NAMES if not ENTRIES[name].online])
def test_every_loss_that_training_descends_is_named_beside_its_equation(name):
    said = {part.rpartition(".")[2] for part in re.findall(r"`([\w.]+)`", section(name, "Equations"))}
    assert losses(name)
    assert losses(name) <= said


@pytest.mark.parametrize("name", [*NAMES, "index"])
def test_everything_said_to_be_in_the_code_is(name):
    """Each `Class.method` or function after "in the code" exists, in the algorithm's module or in zoo-critics."""
    homes = [zoo_critics]
    if name != "index":
        homes.append(importlib.import_module(ENTRIES[name].factory.partition(":")[0]))
    said = re.findall(r"[Ii]n the code:\s((?:[^.`]|`[^`]*`)*)", page(name))
    names = [each for line in said for each in re.findall(r"`([\w.]+)`", line)]
    assert names
    for each in names:
        first, *rest = each.split(".")
        found = next((getattr(home, first) for home in homes if hasattr(home, first)), None)
        assert found is not None, each
        for part in rest:
            found = getattr(found, part)
