"""Training of STL suites and MTL methods: fit loop, weighting of tasks, branches, checkpoints, model files."""
