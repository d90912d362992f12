"""Wants another core, so it must never be imported: it leaves a mark if it is."""

import os
from pathlib import Path

Path(os.environ["ZOO_FIXTURE_MARK"]).write_text("imported")
