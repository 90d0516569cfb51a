"""One thin module a rule: `python -m curvature_mtl.commands.NAME --help`."""

import sys

from curvature_mtl.interruption import stop_on_signals

# "-m" stands there while Python looks for the command: signals may come while libraries are loaded, for seconds.
if sys.argv[:1] == ["-m"]:
    stop_on_signals()
