"""Works, but writes a lot to both streams, one line of it like a probe's own, and leaves a process behind."""

import os
import subprocess
import sys

from zoo_core import MixerEntry, Source, hookimpl

print('{"ok": false, "reason": "printed by the plugin"}', flush=True)
os.write(1, b"x" * 200_000)
os.write(2, b"y" * 200_000)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


@hookimpl
def zoo_mixers():
    print("inside a hook")
    return (MixerEntry("noisy-mixer", "A mixer.", "zoo_noisy.things:Mixer", Source("made for the tests")),)
