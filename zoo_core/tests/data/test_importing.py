"""Importing, whatever the format: which one it is, what a failed import leaves, and who may write where."""

from __future__ import annotations

import errno
import os
import zipfile

import numpy as np
import pytest

from zoo_core import DatasetError
from zoo_core.data import ImportOptions, import_dataset, open_dataset
from zoo_core.data.importers import IMPORTERS
from zoo_core.data.importers.detection import detect_format
from zoo_core.data.importers.joint import pieces
from zoo_core.data.importers.source_hash import SourceHashes
from zoo_core.paths import data_home
from zoo_core.plugins import Zoo

OPTIONS = ImportOptions(env="line", infer_team=True, episode_length=2)


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch):
    """No plugin is looked for: these tests are about files and folders."""
    monkeypatch.setattr("zoo_core.plugins.load_zoo", lambda: Zoo.assemble([], []))


def npy_folder(folder, rows=8):
    """One agent, one number, steps counted through; episodes of two."""
    folder.mkdir(parents=True)
    at = np.arange(rows, dtype=float)
    for kind, values in {
        "obs": at[:, None],
        "next_obs": at[:, None] + 1,
        "acs": at[:, None] / rows,
        "rews": at,
        "dones": at * 0,
    }.items():
        np.save(folder / f"{kind}_0.npy", values)
    return folder


def everything_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_formats_are_told_by_content_whatever_the_name(tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    (tmp_path / "minari" / "walk" / "random-v0" / "data").mkdir(parents=True)
    (tmp_path / "minari" / "walk" / "random-v0" / "data" / "metadata.json").touch()
    h5py.File(tmp_path / "a.npz", "w").close()
    np.savez(tmp_path / "b.npz", obs=np.zeros(1))
    (tmp_path / "b.npz").rename(tmp_path / "b.hdf5")
    found = {
        "npy": npy_folder(tmp_path / "folder.hdf5"),
        "omiga": tmp_path / "a.npz",
        "comadice": tmp_path / "b.hdf5",
        "minari": "walk/random-v0",
    }
    assert found.keys() == IMPORTERS.keys()
    for name, source in found.items():
        assert detect_format(str(source)) == name
    assert detect_format("minari:any/thing-v0") == "minari"


def unknown(folder):
    """Every source that is of no known format: what makes it, and a word of what is said of it."""
    (folder / "empty").mkdir()
    npy_folder(folder / "nested" / "expert" / "seed_0_data")
    (folder / "zips").mkdir()
    with zipfile.ZipFile(folder / "zips" / "spread.zip", "w") as archive:
        archive.writestr("spread/obs_0.npy", b"")
    (folder / "blank").touch()
    (folder / "cut.npz").write_bytes(b"PK\x03\x04 and no more")
    (folder / "packed.tar.gz").write_bytes(b"\x1f\x8b\x08")
    (folder / "pickle.pkl").write_bytes(b"\x80\x04K\x01.")
    (folder / "ours").mkdir()
    (folder / "ours" / "card.json").touch()
    return {
        "absent": "no file or folder .*no local Minari dataset",
        "empty": "is empty",
        "nested": "did you mean what it holds: expert/seed_0_data",
        "zips": r"did you mean what it holds: spread\.zip",
        "zips/spread.zip": r"zip archive of spread/obs_0\.npy: unpack it first",
        "blank": "an empty file; was it downloaded to its end",
        "cut.npz": "begins like a zip archive and cannot be read",
        "packed.tar.gz": "gzip or tar archive: unpack it first",
        "pickle.pkl": "Pickles are never read",
        "ours": "a dataset of ours already",
        "nested/expert/seed_0_data/obs_0.npy": "one array of a folder; name the folder: .*seed_0_data",
    }


def test_what_is_no_known_format_is_explained_by_what_it_is(tmp_path):
    for source, word in unknown(tmp_path).items():
        with pytest.raises(DatasetError, match=word):
            import_dataset(str(tmp_path / source), "x/y", OPTIONS)
    assert not data_home().exists()


def test_a_failed_import_takes_away_the_folders_made_for_it_and_no_others(tmp_path):
    good, bad = npy_folder(tmp_path / "good"), npy_folder(tmp_path / "bad")
    np.save(bad / "rews_0.npy", np.where(np.arange(8) == 7, np.nan, 0))
    with pytest.raises(DatasetError, match="row 7: nan"):
        import_dataset(str(bad), "some/where/new", OPTIONS)
    assert not data_home().exists()
    first = import_dataset(str(good), "some/thing", OPTIONS)
    before = everything_below(data_home())
    for name in ("some/where/new", "some/other"):
        with pytest.raises(DatasetError):
            import_dataset(str(bad), name, OPTIONS)
    with pytest.raises(DatasetError):
        import_dataset(str(bad), "some/thing", OPTIONS, replace=True)
    assert everything_below(data_home()) == before
    assert open_dataset("some/thing").hash == first.hash


def test_an_interrupt_in_the_midst_leaves_nothing(tmp_path):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_dataset(str(npy_folder(tmp_path / "good")), "some/where", OPTIONS, progress=interrupt)
    assert not data_home().exists()


@pytest.mark.parametrize(
    "call", ["zoo_core.data.layout.ArrayAppender.append", "zoo_core.data.folders.tempfile.mkdtemp"]
)
def test_a_full_disk_is_said_and_nothing_is_left(tmp_path, monkeypatch, call):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    source = npy_folder(tmp_path / "good")
    monkeypatch.setattr(call, full)
    with pytest.raises(DatasetError, match=r"disk .* is full; nothing was left behind.*ZOO_DATA"):
        import_dataset(str(source), "some/where", OPTIONS)
    assert not data_home().exists()


@pytest.mark.parametrize(
    ("call", "number"),
    [("tempfile.mkdtemp", errno.EACCES), ("tempfile.mkdtemp", errno.EROFS), ("FileLock.acquire", errno.EROFS)],
)
def test_a_target_that_cannot_be_written_is_named_with_the_way_out(tmp_path, monkeypatch, call, number):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    source = npy_folder(tmp_path / "good")
    monkeypatch.setattr(f"zoo_core.data.folders.{call}", refuse)
    with pytest.raises(DatasetError, match=rf"cannot write to .*{os.strerror(number)}.*ZOO_DATA"):
        import_dataset(str(source), "some/where", OPTIONS)
    assert not data_home().exists()


def test_pieces_cover_all_episodes_once_within_their_bound():
    lengths = np.random.default_rng(0).integers(1, 40, 300)
    parts = list(pieces(lengths, 100))
    assert np.concatenate([np.arange(300)[part] for part in parts]).tolist() == list(range(300))
    sizes = [(part.stop - part.start) * (int(lengths[part].max()) + 1) for part in parts]
    assert max(sizes) <= 100
    assert list(pieces([500, 1], 100)) == [slice(0, 1), slice(1, 2)], "an episode larger than the bound stands alone"


def test_hashes_taken_in_steps_are_those_of_the_files(tmp_path):
    import hashlib

    contents = {"a": b"1" * 3_000_000, "b": b"", "c": b"2" * 10}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    hashes = SourceHashes([tmp_path / name for name in contents])
    hashes.advance(0.2)
    hashes.advance(0.9)
    assert hashes.finish() == {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
