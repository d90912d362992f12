"""Kills the process the way a fault in native code does."""

import os
import signal

os.kill(os.getpid(), signal.SIGSEGV)
