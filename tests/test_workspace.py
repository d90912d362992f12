"""What the one installation command installs is everything that the repository holds."""

from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_package_of_the_repository_is_installed_by_the_readmes_command():
    packages = {path.parent for pattern in ("*", "plugins/*", "plugins/examples/*") for path in _projects(pattern)}
    lines = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    installed = {ROOT / line.removeprefix("-e ./") for line in lines if line.startswith("-e ")}
    assert installed == packages


def _projects(pattern):
    return ROOT.glob(f"{pattern}/pyproject.toml")
