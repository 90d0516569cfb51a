"""From labelled rows to graphs: features, the flat graph store, its mini-batches, and splits."""
