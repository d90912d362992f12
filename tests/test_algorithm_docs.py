"""The pages of docs/algorithms say what the code does: settings exist, defaults are the presets'."""

import re
from pathlib import Path

import pytest

from zoo_core import EnvEntry, Source, load_zoo
from zoo_core.config import parse_assignments, resolve

DOCS = Path(__file__).parents[1] / "docs" / "algorithms"
FAMILY = ("macql", "cfcql", "icql-qs", "spacql")
ENTRIES = {offer.name: offer.entry for offer in load_zoo().algorithms}
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
