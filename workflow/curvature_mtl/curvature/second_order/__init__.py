"""The trunk's own rules for first and second derivatives, which share work that automatic differentiation repeats."""
