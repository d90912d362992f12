"""Reading torch's pickle files without running what they contain."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch

from zoo_core.errors import DatasetError


def safe_torch_load(path: Path | str) -> Any:
    """Tensors and plain containers from a `torch.save` file, on the CPU; anything else in it is refused.

    A pickle can name any function and have it called. This loader interprets the pickle itself and knows only tensors,
    storages and plain containers, so no code of the file's choosing runs.

    Raises:
        DatasetError: the file is missing, no torch file, damaged, or holds anything but tensors and plain containers.
    """
    path = Path(path).expanduser()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DatasetError(f"no file {path}") from None
    except pickle.UnpicklingError as error:
        reason = str(error).split("\n")[0][:200]
        raise DatasetError(
            f"{path}: holds more than tensors and plain containers, or is no torch file; nothing in it was run "
            f"({reason}). Ask its authors for a state_dict or a safetensors file"
        ) from error
    except Exception as error:  # a damaged file can fail in any of the decoder's own ways
        raise DatasetError(f"{path}: not readable as a torch file ({type(error).__name__}: {error})") from error
