"""Where a plugin was installed from."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest

from zoo_core.plugins.source import installed_from


def distribution(tmp_path: Path, **files: str) -> metadata.Distribution:
    info = tmp_path / "zoo_x-1.0.dist-info"
    info.mkdir()
    for name, text in files.items():
        (info / name.replace("__", ".")).write_text(text)
    return metadata.PathDistribution(info)


@pytest.mark.parametrize(
    ("record", "source"),
    [
        ({"url": "file:///home/me/zoo-x", "dir_info": {"editable": True}}, "editable /home/me/zoo-x"),
        ({"url": "file:///home/me/my%20zoo", "dir_info": {"editable": True}}, "editable /home/me/my zoo"),
        ({"url": "file:///home/me/zoo-x", "dir_info": {}}, "local /home/me/zoo-x"),
        ({"url": "file://localhost/x-1.tar.gz", "archive_info": {}}, "local /x-1.tar.gz"),
        ({"url": "file:///dist/zoo_x-1.0-py3.whl", "archive_info": {}}, "wheel /dist/zoo_x-1.0-py3.whl"),
        (
            {"url": "https://example.org/zoo-x", "vcs_info": {"vcs": "git", "commit_id": "0123456789abcdef"}},
            "git https://example.org/zoo-x@01234567",
        ),
        ({"url": "https://me:secret@example.org/x.zip", "archive_info": {}}, "url https://example.org/x.zip"),
    ],
)  # fmt: skip
def test_the_installers_record_says_where_from(tmp_path: Path, record: dict[str, object], source: str) -> None:
    found = distribution(tmp_path, direct_url__json=json.dumps(record), RECORD="zoo_x/plugin.py,,\n")
    assert installed_from(found) == source


def test_what_an_installer_recorded_without_an_address_came_from_an_index(tmp_path: Path) -> None:
    assert installed_from(distribution(tmp_path, RECORD="zoo_x/plugin.py,,\n")) == "index"


def test_what_no_installer_recorded_is_a_folder(tmp_path: Path) -> None:
    assert installed_from(distribution(tmp_path, METADATA="Name: zoo-x\n")) == f"folder {tmp_path}"


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"url": 3}', '{"url": "https://x", "vcs_info": {"vcs": "git"}}'])
def test_a_damaged_record_costs_the_source_alone(tmp_path: Path, text: str) -> None:
    assert installed_from(distribution(tmp_path, direct_url__json=text)) == ""


def test_an_editable_installation_of_this_repository_is_seen_as_one() -> None:
    root = Path(__file__).parents[3]
    assert installed_from(metadata.distribution("zoo-core")) == f"editable {root / 'zoo_core'}"
