"""Per-task Hessians as operators: Lanczos, spectral density, trace; no dataset is known here."""
