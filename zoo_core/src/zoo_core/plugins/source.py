"""Where a distribution was installed from, as its own metadata says (PEP 610 and PEP 376).

| source | what it is |
| --- | --- |
| `editable /folder` | a checkout: changes to its files count at once |
| `local /folder` | built from a folder or an sdist on this machine |
| `wheel /file.whl` | a wheel on this machine |
| `git https://…@1a2b3c4d` | a commit of a repository (or `hg`, `svn`, `bzr`) |
| `url https://…` | an archive at an address |
| `index` | a package index |
| `folder /site` | put there by no installer |
"""

from __future__ import annotations

import json
import re
from importlib import metadata
from typing import Any


def installed_from(distribution: metadata.Distribution) -> str:
    """The source, in the words of the table above; empty if its record cannot be read."""
    try:
        text = distribution.read_text("direct_url.json")
        if text:
            return _direct(json.loads(text))
        return "index" if distribution.read_text("RECORD") else f"folder {distribution.locate_file('')}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""


def _direct(record: dict[str, Any]) -> str:
    """What `direct_url.json` says."""
    address = re.sub(r"//[^/@]*@", "//", record["url"])  # a name and password are nobody's to show
    if "vcs_info" in record:
        return f"{record['vcs_info']['vcs']} {address}@{record['vcs_info']['commit_id'][:8]}"
    if not address.startswith("file:"):
        return f"url {address}"
    path = _path(address)
    if record.get("dir_info", {}).get("editable"):
        return f"editable {path}"
    return f"{'wheel' if path.endswith('.whl') else 'local'} {path}"


def _path(address: str) -> str:
    """The path of a `file:` address. Only one with escapes pays for importing `urllib`."""
    path = address.removeprefix("file:").removeprefix("//").removeprefix("localhost")
    if "%" in path:
        from urllib.parse import unquote

        return unquote(path)
    return path
