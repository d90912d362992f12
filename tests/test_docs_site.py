"""The site: mkdocs builds it without a warning, and it loads nothing from other hosts."""

import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import click
import pytest
import yaml

from zoo_cli.main import zoo

ROOT = Path(__file__).parents[1]
LOADS = {
    ("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "src"),
    ("audio", "src"), ("object", "data"), ("embed", "src"), ("image", "href"), ("use", "href"), ("form", "action"),
}  # fmt: skip
"""Attributes that make a browser fetch something while it shows a page (links that a reader follows are not)."""
FOREIGN = re.compile(r"^(?:https?:)?//")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as `make docs` and CI build it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


class Loaded(HTMLParser):
    """Addresses that a page makes the browser fetch by itself."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "link" and given.get("rel") in ("canonical", "prev", "next", "alternate"):
            return  # a statement about the page; nothing is fetched
        self.found += [value for name, value in attrs if (tag, name) in LOADS and value]


def test_no_page_loads_anything_from_another_host(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 15
    loaded = {page: Loaded(page.read_text(encoding="utf-8")).found for page in pages}
    assert all(loaded.values()), "every page has at least its own style sheet"
    assert {page.name: [a for a in found if FOREIGN.match(a)] for page, found in loaded.items()} == {
        page.name: [] for page in pages
    }


def test_no_style_sheet_loads_anything_from_another_host(site):
    sheets = list(site.rglob("*.css"))
    assert sheets
    for sheet in sheets:
        fetched = re.findall(r"(?:url\(|@import\s+)[\"']?([^\"')]+)", sheet.read_text(encoding="utf-8"))
        assert [address for address in fetched if FOREIGN.match(address)] == [], sheet


def test_scripts_have_no_reason_to_fetch_from_another_host(site):
    """The theme's script fetches mermaid where a page has a diagram, and stars where a repository is linked."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert 'class="mermaid"' not in text
        assert 'data-md-component="source"' not in text
    assert "repo_url" not in yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("address", ["https://cdn.example/x.js", "//cdn.example/x.js", "http://cdn.example/x.css"])
def test_a_foreign_script_would_be_found(address):
    assert Loaded(f'<script src="{address}"></script><a href="{address}">read</a>').found == [address]
    assert FOREIGN.match(address)


def test_equations_are_mathml_in_the_page_itself(site):
    text = (site / "algorithms" / "spacql.html").read_text(encoding="utf-8")
    blocks = (ROOT / "docs" / "algorithms" / "spacql.md").read_text(encoding="utf-8").count("```math")
    assert text.count("<math") == blocks >= 4
    assert "\\frac" not in text
    assert "```" not in text


def test_every_page_is_in_the_navigation():
    def pages(node):
        if isinstance(node, str):
            return [node]
        return [page for child in (node.values() if isinstance(node, dict) else node) for page in pages(child)]

    nav = pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    docs = ROOT / "docs"
    assert sorted(nav) == sorted(str(path.relative_to(docs)) for path in docs.rglob("*.md"))


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *(ROOT / "plugins").glob("**/README.md")], ids=lambda p: p.parent.name
)
def test_links_of_a_readme_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert FOREIGN.match(target) or (page.parent / target).exists(), target


def commands():
    """Every `$ zoo …` line of the README files and the docs, with where it stands."""
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/**/README.md")]:
        for line in re.findall(r"^\$ (zoo .*)$", page.read_text(encoding="utf-8"), re.MULTILINE):
            yield pytest.param(
                shlex.split(line, comments=True)[1:], id=f"{page.relative_to(ROOT)}: {line.split('#')[0]}"
            )


@pytest.mark.parametrize("words", commands())
def test_a_command_on_a_page_and_its_options_exist(words):
    command: click.Command = zoo
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command = command.get_command(click.Context(command), words[0])
        assert command is not None, words[0]
        words = words[1:]
    known = {option for parameter in command.params for option in parameter.opts}
    assert [word for word in words if word.startswith("--") and word.partition("=")[0] not in known] in ([], ["--help"])
