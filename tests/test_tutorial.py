"""The pages to follow work word for word: files are written, lines typed, and what they print is what is shown."""

import os
import re
import site
import subprocess
import venv
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from zoo_cli.registry import load_registry

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "plugins.md"
FOLLOWED = (PAGE, ROOT / "docs" / "train.md")
SECONDS = 200
"""Most that one line of the page may take."""

PATTERN = re.compile(
    r"^(?P<add>Add to )?`(?P<path>[\w./]+)`:?\n\n```\w+\n(?P<text>.*?)^```|^```console\n(?P<console>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


@dataclass
class File:
    path: str
    text: str
    added: bool
    """Whether it goes to the end of a file that is there already."""


@dataclass
class Line:
    """A command of the page and the output shown below it."""

    command: str
    shown: list[str] = field(default_factory=list)


def steps(text: str) -> list[File | Line]:
    """What a reader does, from the top of the page to its end."""
    found: list[File | Line] = []
    for block in PATTERN.finditer(text):
        if block["path"]:
            found.append(File(block["path"], block["text"], bool(block["add"])))
            continue
        for line in block["console"].splitlines():
            if line.startswith("$ "):
                found.append(Line(line.removeprefix("$ ")))
            else:
                found[-1].shown.append(line.rstrip())
    return found


def agrees(shown: list[str], printed: list[str]) -> bool:
    """Whether the output is what the page shows.

    A line that is only `…` stands for any number of lines, `…` within a line for anything. Decimal numbers may differ
    as scores do between machines: by a tenth and a half, and by the interval that is printed behind them.
    """
    parts = ["(?:.*\n)*" if line == "…" else _line_pattern(line) + "\n" for line in shown]
    found = re.fullmatch("".join(parts), "".join(f"{line.rstrip()}\n" for line in printed))
    if found is None:
        return False
    ours = [number for line in shown for number in re.findall(NUMBER, line)]
    return all(_near(a, b) for a, b in zip(ours, found.groups(), strict=True))


NUMBER = r"-?\d[\d,]*\.\d+(?: ± \d[\d,]*\.\d+)?"
"""A decimal number, perhaps with its interval."""


def _near(shown: str, printed: str) -> bool:
    (a, half), (b, _) = (
        (float(x) for x in f"{text} ± 0".replace(",", "").split(" ± ")[:2]) for text in (shown, printed)
    )
    return (" ± " in shown) == (" ± " in printed) and abs(a - b) <= 0.1 * abs(a) + 0.5 + half


def _line_pattern(line: str) -> str:
    """A regular expression for one line, with a group for every number."""
    pieces = re.split(rf"(…|{NUMBER}|[ ]{{2,}})", line)
    rules = {"…": ".*"}
    return "".join(
        rules.get(p) or (r"\s+" if p.isspace() else f"({NUMBER})" if re.fullmatch(NUMBER, p) else re.escape(p))
        for p in pieces
        if p
    )


@pytest.fixture
def shell(tmp_path_factory):
    """An empty folder and an environment in which `pip`, `zoo` and `pytest` are those of a new virtual environment.

    It sees what is installed here and installs into itself alone, without an index.
    """
    home = tmp_path_factory.mktemp("tutorial")
    venv.create(home / "venv", with_pip=False)
    (packages,) = (home / "venv").glob("lib/python3*/site-packages")
    here = [path for path in [*site.getsitepackages(), site.getusersitepackages()] if Path(path).is_dir()]
    (packages / "parent.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in here))
    python = home / "venv" / "bin" / "python"
    for command, module in (("pip", "pip"), ("zoo", "zoo_cli.main"), ("pytest", "pytest")):
        script = home / "venv" / "bin" / command
        script.write_text(f'#!/bin/sh\nexec "{python}" -m {module} "$@"\n')
        script.chmod(0o755)
    (home / "empty").mkdir()
    offline = {"PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1", "PIP_NO_INPUT": "1"}
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("ZOO_", "PYTEST_", "COLUMNS"))}
    path = f"{python.parent}{os.pathsep}{environ['PATH']}"
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return home / "empty", {**environ, **offline, **quiet, "PATH": path, "ZOO_CACHE": str(home / "cache")}


def typed(line: Line, folder: Path, environ: dict[str, str]) -> tuple[int, list[str]]:
    """Exit status and output, both streams together."""
    done = subprocess.run(
        ["/bin/sh", "-c", line.command], cwd=folder, env=environ, text=True, timeout=SECONDS,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", FOLLOWED, ids=lambda path: path.stem)
def test_everything_on_the_page_works_as_it_stands(page, shell):
    folder, environ = shell
    for step in steps(page.read_text(encoding="utf-8")):
        if isinstance(step, File):
            path = folder / step.path
            assert path.exists() == step.added, f"{step.path}: shown as {'there' if step.added else 'new'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            before = path.read_text(encoding="utf-8") if step.added else ""
            path.write_text(before + step.text, encoding="utf-8")
        elif step.command.startswith("cd "):
            folder = (folder / step.command.removeprefix("cd ")).resolve(strict=True)
        else:
            status, printed = typed(step, folder, environ)
            text = "\n".join(printed)
            assert (status != 0) == any(line.startswith("Error:") for line in step.shown), f"$ {step.command}\n{text}"
            assert agrees(step.shown, printed), f"$ {step.command}\nprinted\n{text}\ninstead of\n" + "\n".join(
                step.shown
            )


def test_the_page_shows_all_four_kinds_and_goes_from_nothing_to_listed():
    found = steps(PAGE.read_text(encoding="utf-8"))
    text = "\n".join(step.text for step in found if isinstance(step, File))
    assert all(f"def zoo_{kind}():" in text for kind in ("algorithms", "envs", "datasets", "mixers"))
    commands = [step.command for step in found if isinstance(step, Line)]
    order = ["mkdir", "pip install", "zoo list algos", "zoo train", "zoo plugin check", "zoo list plugins", "pytest"]
    first = [next(i for i, command in enumerate(commands) if command.startswith(start)) for start in order]
    assert first == sorted(first)


def test_the_catalogue_would_take_the_pages_item(tmp_path):
    (block,) = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "registry.yaml").write_text(block, encoding="utf-8")
    (item,) = load_registry(tmp_path / "registry.yaml")
    assert item.distribution == yaml.safe_load(block)["plugins"][0]["distribution"] == "zoo-rwc"
    assert item.install_command().startswith("pip install 'zoo-rwc @ git+https://")


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        (["a 1.5 b"], ["a 1.75 b"], True),
        (["a 1.5 b"], ["a 2.75 b"], False),
        (["score -0.67"], ["score -2.08"], False),
        (["score -0.67 ± 0.05"], ["score -2.08 ± 0.05"], False),
        (["score 10.9 ± 16.3"], ["score -4.0 ± 30.1"], True),
        (["score 10.9 ± 16.3"], ["score 10.9"], False),
        (["1,200.0"], ["1,250.0"], True),
        (["a 1.5 b"], ["a 2 b"], False),
        (["a", "…"], ["a"], True),
        (["…", "z"], ["x", "y", "z"], True),
        (["a … c"], ["a b c"], True),
        (["a"], ["a", "b"], False),
        ([], [], True),
        ([], ["a warning"], False),
        (["12 episodes"], ["13 episodes"], False),
    ],
)
def test_shown_output_is_compared_but_for_what_differs_between_machines(shown, printed, same):
    assert agrees(shown, printed) is same
