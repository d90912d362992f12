"""The fake environments of `pettingzoo_fakes.py` can be named as tasks: `pettingzoo:pettingzoo_fakes:Rescue`."""

import sys
from pathlib import Path

FOLDER = str(Path(__file__).parent)
if FOLDER not in sys.path:
    sys.path.append(FOLDER)
