"""One thin module a rule: `python -m curvature_mtl.commands.NAME --help`."""
