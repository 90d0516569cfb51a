"""`curvature-mtl` on the command line: the workflow's commands for those who have no workflow."""
