"""The graph network: a trunk shared by all tasks, linear heads, and the losses of their predictions."""
