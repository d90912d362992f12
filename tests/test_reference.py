"""docs/reference and the generated sections of docs/algorithms say what the code says."""

import importlib
import inspect
import re
import sys
from pathlib import Path

import pytest

import zoo_core
import zoo_core.data
import zoo_core.nn
import zoo_core.testing
from zoo_core import Algorithm, Mixer

ROOT = Path(__file__).parents[1]
MODULES = ("reference", "reference_algorithms", "reference_commands", "reference_python")
PACKAGES = (zoo_core, zoo_core.nn, zoo_core.data, zoo_core.testing)


@pytest.fixture(scope="module")
def reference():
    sys.path.insert(0, str(ROOT / "scripts"))
    yield importlib.import_module("reference")
    sys.path.remove(str(ROOT / "scripts"))
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def python(reference):
    return sys.modules["reference_python"]


@pytest.fixture(scope="module")
def pages(reference):
    return reference.pages()


def test_committed_pages_are_what_the_code_says(reference, pages):
    names = sorted(str(path.relative_to(ROOT)) for path in reference.stale(pages))
    assert names == [], f"run `{reference.MEND}` and commit what it writes"


def test_one_changed_character_and_a_missing_page_are_noticed(reference, pages, tmp_path):
    copies = {tmp_path / path.name: text for path, text in pages.items()}
    for path, text in copies.items():
        path.write_text(text, encoding="utf-8")
    assert reference.stale(copies) == []
    changed, missing = tmp_path / "zoo_core.md", tmp_path / "hooks.md"
    changed.write_text(copies[changed].replace("batches: int = 1", "batches: int = 2", 1), encoding="utf-8")
    missing.unlink()
    assert set(reference.stale(copies)) == {changed, missing}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.__name__)
def test_every_public_name_stands_on_its_packages_page(python, package):
    page = (ROOT / "docs" / "reference" / f"{python.PAGES[package.__name__]}.md").read_text(encoding="utf-8")
    missing = [name for name in package.__all__ if f"### {name}\n" not in page and f"`{name}`" not in page]
    assert missing == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.__name__)
def test_what_is_read_from_the_source_is_what_python_imports(python, package):
    """The parameters on the page are those of the function that the public name imports."""
    for name, home in python.exports(package.__name__).items():
        found = getattr(package, name)
        if inspect.isfunction(found):
            shown = python.stub(python.module(home), python.module(home).find(name))
            parameters = inspect.signature(found).parameters
            assert all(re.search(rf"\b{parameter}\b", shown) for parameter in parameters), name


def test_the_hooks_page_shows_every_hook(python):
    from zoo_core import hookspecs

    hooks = {name for name, value in vars(hookspecs).items() if hasattr(value, "zoo_spec")}
    assert hooks == set(python.ENTRIES)


def test_the_factories_signatures_on_the_hooks_page_are_those_of_the_contracts():
    page = (ROOT / "docs" / "reference" / "hooks.md").read_text(encoding="utf-8")
    said = dict(re.findall(r"^    (\w+Entry) +\((.*?)\) +->", page, re.MULTILINE))
    names = {
        entry: [part.partition(":")[0].strip() for part in text.split(",") if part.strip() not in ("*", "**options")]
        for entry, text in said.items()
    }
    contract = {"AlgorithmEntry": Algorithm, "MixerEntry": Mixer, "DatasetEntry": None, "EnvEntry": None}
    assert names.keys() == contract.keys()
    assert names["AlgorithmEntry"] == list(inspect.signature(Algorithm).parameters)
    assert names["MixerEntry"] == [p for p in inspect.signature(Mixer).parameters if p != "outputs"]


def test_the_command_lines_page_shows_the_help_a_terminal_shows(monkeypatch):
    from click.testing import CliRunner

    from zoo_cli.main import zoo

    monkeypatch.setenv("COLUMNS", "200")  # wider than the page: click wraps at 80 by itself
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    for command in (["list"], ["train"], ["data", "import"]):
        shown = CliRunner().invoke(zoo, [*command, "--help"], prog_name="zoo").output
        assert shown.strip() in page, command


def test_the_environment_variables_on_the_page_are_those_the_code_reads():
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    files = [*(ROOT / "zoo_core" / "src").rglob("*.py"), *(ROOT / "cli" / "src").rglob("*.py")]
    read = {name for path in files for name in re.findall(r'"(ZOO_[A-Z_]+)"', path.read_text(encoding="utf-8"))}
    assert set(re.findall(r"^\| `(ZOO_\w+)` \|", page, re.MULTILINE)) == read


def test_a_docstring_keeps_its_brackets_code_and_emphasis(python):
    doc = """obs [B, n] of *linear* `x[0]` and *args.

    Attributes:
        low, high: bounds [a]
            of every dimension.

    Example:

        code[0] * 2
    """
    assert python.prose(doc).splitlines() == [
        r"obs \[B, n] of *linear* `x[0]` and \*args.",
        "",
        "Attributes:",
        "",
        r"- `low, high`: bounds \[a]",
        "  of every dimension.",
        "",
        "Example:",
        "",
        "    code[0] * 2",
    ]
