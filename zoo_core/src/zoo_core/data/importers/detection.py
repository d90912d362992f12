"""Which of the known formats a source has: told from its content, never from its name alone."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

from zoo_core.data.card import CARD_FILE
from zoo_core.errors import DatasetError

_HDF5 = b"\x89HDF\r\n\x1a\n"
_DEPTH, _ENTRIES = 4, 20_000
"""How deep, and over how many names, to look for a folder that the user may have meant."""


def detect_format(source: str) -> str:
    """The name in `IMPORTERS` of the format of `source`, a path or the id of a local Minari dataset.

    Raises:
        DatasetError: nothing there, or nothing known; the message says what was found.
    """
    if source.startswith("minari:"):
        return "minari"
    path = Path(source).expanduser()
    try:
        if path.is_dir():
            return _folder_format(path)
        if path.exists():
            return _file_format(path)
    except PermissionError:
        raise DatasetError(f"{path}: not readable by this user") from None
    if _is_minari_id(source):
        return "minari"
    raise DatasetError(
        f"no file or folder {path}, and no local Minari dataset of that name (`minari list local` shows them, `minari "
        "download ID` fetches one); `zoo data import --help` lists what can be read"
    )


def existing_file(source: str) -> Path:
    """`source` as the path of a file. Raises `DatasetError` if it is not one."""
    path = Path(source).expanduser()
    if path.is_dir():
        raise DatasetError(f"{path} is a folder; this format is a single file{folder_hint(path)}")
    if not path.is_file():
        raise DatasetError(f"no file {path}")
    return path


def folder_hint(folder: Path) -> str:
    """`; did you mean …?` with what can be imported inside `folder`; empty if there is nothing."""
    inside = sorted(path.relative_to(folder).as_posix() for path in _importable(folder))
    if not inside:
        return ""
    shown = ", ".join(inside[:5]) + (f" and {len(inside) - 5} more" if len(inside) > 5 else "")
    kind = "what it holds" if len(inside) == 1 else "one of those it holds (each is a dataset of its own)"
    return f"; did you mean {kind}: {shown}?"


def _folder_format(folder: Path) -> str:
    names = {path.name for path in folder.iterdir()}
    if CARD_FILE in names:
        raise DatasetError(f"{folder} is a dataset of ours already: use it as it is, `--dataset {folder}`")
    if any(name.startswith(("obs_", "acs_", "rews_")) and name.endswith(".npy") for name in names):
        return "npy"
    what = "is empty" if not names else "holds no obs_0.npy, acs_0.npy, … nor anything else that can be imported"
    raise DatasetError(f"{folder} {what}{folder_hint(folder)}")


def _file_format(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(8)
    if start == _HDF5:
        return "omiga"
    if start[:4] == b"PK\x03\x04":
        return _zip_format(path)
    if not start:
        raise DatasetError(f"{path} is an empty file; was it downloaded to its end?")
    if start[:6] == b"\x93NUMPY":
        raise DatasetError(f"{path} is one array of a folder; name the folder: {path.parent}")
    kind = "gzip or tar archive: unpack it first" if start[:2] == b"\x1f\x8b" or path.suffix == ".tar" else "file"
    raise DatasetError(
        f"{path} is no HDF5 file, no .npz archive and no folder of .npy files: an unknown kind of {kind}. "
        "Pickles are never read. `zoo data import --help` lists what can be read"
    )


def _zip_format(path: Path) -> str:
    try:
        names = zipfile.ZipFile(path).namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise DatasetError(
            f"{path} begins like a zip archive and cannot be read as one ({error}); was it downloaded to its end?"
        ) from error
    if any(name.endswith(".npy") and "/" not in name for name in names):
        return "comadice"
    shown = ", ".join(names[:4]) + (" …" if len(names) > 4 else "")
    raise DatasetError(f"{path} is a zip archive of {shown or 'nothing'}: unpack it first, then import what is in it")


def _importable(folder: Path) -> Iterator[Path]:
    """Folders and files below `folder` that look as if they could be imported; a bounded search."""
    seen = 0
    for root, folders, files in os.walk(folder):
        here = Path(root)
        if len(here.relative_to(folder).parts) >= _DEPTH or seen > _ENTRIES:
            folders.clear()
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        seen += len(files) + len(folders)
        if "obs_0.npy" in files:
            yield here
        yield from (here / name for name in files if name.endswith((".hdf5", ".h5", ".npz", ".zip")))


def _is_minari_id(source: str) -> bool:
    from zoo_core.data.minari_spaces import minari_root

    if source.startswith(("/", ".", "~")):
        return False
    return (minari_root() / source / "data" / "metadata.json").exists()
