"""The graph network: a trunk shared by all tasks, and linear heads."""
