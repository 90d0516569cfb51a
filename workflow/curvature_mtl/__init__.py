"""Curvature of each task's loss in multi-task graph networks: data, graphs, training, spectra, figures."""

__version__ = "0.1.0"
