"""Training of STL suites and MTL methods: fit loop, losses, checkpoints, model files."""
