"""Our curvature products against those of other packages, side by side; each peer in a file of its own."""
