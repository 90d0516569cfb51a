"""One look for all figures: colour-blind safe, legible at column width, each with its run and data on it."""

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from curvature_mtl.files import atomic_path
from curvature_mtl.reporting.commit import commit_of

FULL_WIDTH = 7.0  # inches: the text width of a two-column page
# Okabe and Ito's colours, distinct under the common forms of colour blindness.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")


def use_style() -> None:
    """Set the plot style of all figures."""
    sns.set_theme(style="ticks", context="paper", palette=list(PALETTE))
    mpl.rcParams |= {
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": 9,
        "axes.labelsize": 8,
        "figure.constrained_layout.use": True,
        "font.family": "DejaVu Sans",
        "font.size": 8,
        "legend.fontsize": 7,
        "legend.frameon": False,
        "pdf.fonttype": 42,
        "savefig.dpi": 200,
        "xtick.labelsize": 7,
        "ytick.labelsize": 7,
    }


def save_figure(figure: Figure, paths: list[str], note: str) -> None:
    """Write the figure under each path (.pdf, .png), with `note` as its last line, and close it.

    The note says which run and data the figure shows. It stands in the file's metadata, too, with the commit that
    draws it (PDF: Keywords; PNG: the text Description). Nothing else that differs between equal runs is written.
    """
    colour = "#B00000" if "SAMPLE" in note else "0.35"
    figure.supxlabel(note, fontsize=6, color=colour, x=0.995, ha="right")
    origin = f"{note}; commit {commit_of(Path(__file__))}"
    for path in map(Path, paths):
        # Here and not in the rule, so that a new commit is no reason to draw a figure again.
        metadata = {"Description": origin} if path.suffix == ".png" else {"Keywords": origin, "CreationDate": None}
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], metadata={"Title": path.stem, **metadata})
    plt.close(figure)
