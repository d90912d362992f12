"""The kit's tensors are tiny: one thread is faster than several. Set before torch is imported."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
