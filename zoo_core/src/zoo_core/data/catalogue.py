"""Names of datasets: built-in, imported, a folder, or a Minari id; and where each of them lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from zoo_core.data.build import Progress, build_dataset
from zoo_core.data.card import CARD_FILE
from zoo_core.data.dataset import Dataset
from zoo_core.data.folders import slug
from zoo_core.entries import DatasetEntry
from zoo_core.errors import DatasetError, UnknownName, UsageError
from zoo_core.paths import data_home

MINARI_PREFIX = "minari:"


def built_folder(entry: DatasetEntry, seed: int = 0, transitions: int | None = None) -> Path:
    """Where a built-in dataset lies, e.g. `…/data/mpe-cn/expert/v1-seed0`."""
    size = "" if transitions in (None, entry.transitions) else f"-n{transitions}"
    return data_home() / slug(entry.name) / f"v{entry.version}-seed{seed}{size}"


def imported_folder(name: str) -> Path:
    """Where an imported or collected dataset of this name lies."""
    return data_home() / "imported" / slug(name)


def named_folder(name: str) -> Path:
    """Where a dataset that a user names will lie. Raises `UsageError` for a name that would not find it again."""
    from zoo_core.plugins import load_zoo

    if not name.strip() or name.startswith((MINARI_PREFIX, ".", "~", "/")) or name.endswith("/"):
        raise UsageError(f"{name!r} cannot name a dataset: take a word, or words with slashes, such as spread/random")
    if any(offer.name == name for offer in load_zoo().datasets):
        raise UsageError(f"{name!r} is the name of a built-in dataset; choose another with --name")
    return imported_folder(name)


def stored_datasets() -> Iterator[Path]:
    """Folders of all datasets under the data folder, built, imported or converted, sorted."""
    root = data_home()
    yield from sorted(card.parent for card in root.rglob(CARD_FILE) if not _hidden(card.relative_to(root)))


def ensure(
    name: str,
    *,
    seed: int = 0,
    transitions: int | None = None,
    progress: Progress | None = None,
    waiting: Callable[[str], None] | None = None,
    replace: bool = False,
) -> Dataset:
    """A built-in dataset, built first if it is missing.

    Args:
        name: `env/quality`, e.g. `mpe-cn/expert`.
        seed: which of the recipe's datasets.
        transitions: a size other than the published one.
        progress: told `(done, total)` transitions during a build.
        waiting: told once, in words, if another process is building the same.
        replace: build again even if it is there.
    """
    from zoo_core.plugins import load_zoo

    zoo = load_zoo()
    entry = zoo.find("dataset", name)
    folder = built_folder(entry, seed, transitions)
    if replace or not (folder / CARD_FILE).exists():
        env = zoo.find("env", entry.env)
        build_dataset(
            entry,
            folder,
            env.load(),
            seed=seed,
            transitions=transitions,
            distribution="{0.distribution} {0.version}".format(zoo.find_offer("dataset", name)),
            convention=env.convention,
            replace=replace,
            progress=progress,
            waiting=waiting,
        )
    dataset = Dataset.open(folder)
    if (made_by := dataset.card.source.get("recipe")) != entry.factory:
        raise DatasetError(
            f"{folder} was built by another recipe ({made_by}, this is {entry.factory}); "
            f"`zoo data build {name} --force` replaces it"
        )
    return dataset


def open_dataset(name_or_path: str | Path, *, seed: int = 0) -> Dataset:
    """Open a dataset that exists: a built-in or imported name, or a folder.

    Raises:
        DatasetError: it is not built yet, or not there.
        UnknownName: nothing of this name.
    """
    return Dataset.open(find_folder(name_or_path, seed=seed))


def find_folder(name_or_path: str | Path, *, seed: int = 0) -> Path:
    """The folder of an existing dataset: see `open_dataset`."""
    path = Path(name_or_path).expanduser()
    if (path / CARD_FILE).exists():
        return path
    text = str(name_or_path)
    folder = imported_folder(text)
    if (folder / CARD_FILE).exists():
        return folder
    if path.is_absolute() or text.startswith((".", "~")):
        raise DatasetError(f"no dataset at {path}: it has no {CARD_FILE}")
    entry = _built_in(text)
    folder = built_folder(entry, seed)
    if not (folder / CARD_FILE).exists():
        sizes = sorted(str(card.parent) for card in folder.parent.glob(f"{folder.name}-n*/{CARD_FILE}"))
        others = f". Built in another size, and found by its folder: {', '.join(sizes)}" if sizes else ""
        raise DatasetError(
            f"dataset {entry.name!r} (seed {seed}) is not built yet: `zoo data build {entry.name}`{others}"
        )
    return folder


def resolve_dataset(
    dataset: str | Path,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    waiting: Callable[[str], None] | None = None,
) -> Dataset:
    """What `--dataset` takes: a built-in name (built if missing), an imported name, a folder, or `minari:<id>`."""
    text = str(dataset)
    if text.startswith(MINARI_PREFIX):
        from zoo_core.data.importers.minari import converted

        return converted(text.removeprefix(MINARI_PREFIX), progress=progress, waiting=waiting)
    if (Path(text).expanduser() / CARD_FILE).exists() or (imported_folder(text) / CARD_FILE).exists():
        return open_dataset(text)
    _built_in(text)
    return ensure(text, seed=seed, progress=progress, waiting=waiting)


def _built_in(name: str) -> DatasetEntry:
    from zoo_core.plugins import load_zoo

    try:
        return load_zoo().find("dataset", name)
    except UnknownName as error:
        hint = "A folder with a card.json or minari:<id> will do too; see `zoo data list`."
        root = data_home() / "imported"
        own = [folder.relative_to(root).as_posix() for folder in stored_datasets() if folder.is_relative_to(root)]
        raise UnknownName("dataset", name, {*error.known, *own}, hint) from None


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
