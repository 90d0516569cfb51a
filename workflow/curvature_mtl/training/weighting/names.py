"""The names of the weightings; here, so that a config is checked without loading torch."""

WEIGHTINGS = {
    "equal": "every task's loss has the same weight",
    "uncertainty": "learned noise levels (Kendall, Gal and Cipolla 2018)",
}
