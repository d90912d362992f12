"""The tests of this folder can import `sound_algorithm`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
