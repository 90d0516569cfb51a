"""What each table of a run shows: its caption, of which the part before the first semicolon says it in a line."""

_BOUNDS = "lower and upper: 95 % interval from resampled test graphs, with the trained networks as they are"

CAPTIONS = {
    "datasets": "Datasets of the run",
    "tasks": "Tasks: labels, units and spread",
    "rejects": "What was left out and why; `graph` is a whole row, otherwise the label of that task",
    "accuracy": "Mean absolute error on the test graphs, in each task's unit",
    "summary": (
        "Test MAE, mean ± standard deviation over seeds, in the unit given with the task; bold: the task's lowest "
        "mean, whatever the spread over seeds and the cost of the method"
    ),
    "delta_m": "Mean change of MAE against the STL suite in percent; negative is a gain",
    "transfer": "Change of each task's MAE under MTL against STL in percent; negative is a gain",
    "gains": f"Change of each task's MAE against STL in percent, mean over seeds; negative is a gain; {_BOUNDS}",
    "comparisons": (
        f"Delta_m of one method against another in percent, mean over seeds; negative is a gain; {_BOUNDS}; "
        "seeds_lower and seeds_upper: 95 % t-interval over seeds"
    ),
    "training_cost": (
        "Forward-backward passes of a trunk over the training graphs, summed over all networks that a method trains, "
        "with what its weighting does besides; curvature products; models and parameters to deploy"
    ),
    "training_curves": "Loss, validation error and weight of every task and epoch of every network",
    "curvature": (
        "Hessian of each task's mean squared error in the trunk; trace_settled: standard error at most a tenth of it"
    ),
    "curvature_quantities": (
        "More on each task's curvature: traces of blocks, Gauss-Newton trace, gradient noise, Frobenius norm, "
        "effective rank, shares of negative curvature, with errors"
    ),
    "conflict": "Between tasks of one network: overlaps of Hessians and of gradients",
    "pair_transfer": (
        "Change of each task's MAE when it is trained with one other task against STL in percent, mean over seeds; "
        "negative is a gain"
    ),
    "pair_correlation": "Rank correlation over pairs of tasks of their conflict and of what they do to each other",
    "extremal_eigenvalues": (
        "Extremal Ritz values with their residual norms; settled: residual at most a tenth of the value; asymmetry of "
        "the Hessian's products, and loss of orthogonality of the Lanczos bases"
    ),
    "outliers": "From both ends of each spectrum inwards: Ritz values that stand apart, and the first that does not",
    "ritz_values": "Every Ritz value with its weight and residual, by probe",
    "curvature_vs_transfer": "Curvature of each task and its change of MAE under MTL, means over seeds",
    "rank_correlation": (
        "Rank correlation over tasks of curvature and change of MAE, as it is and given the training loss"
    ),
    "subset_convergence": (
        "Traces and largest eigenvalues on nested subsets of the training graphs, with the errors of probes and of "
        "the choice of graphs, and the difference from the largest subset"
    ),
    "curvature_along_training": (
        "Curvature at initialisation, at some epochs of the training and at the solution of every method"
    ),
    "consistency": (
        "Predicted structures and energies of held-out molecules against GFN2-xTB's minima, in eV and angstrom; mean "
        "and min over samples; the difference from the setting without consistency, with its 95 % interval from "
        "resampled molecules"
    ),
    "consistency_curvature": "Curvature of energy, structure and consistency losses in the shared encoder, by setting",
    "consistency_energies": "Learned and accurate energies of every held-out molecule",
    "consistency_examples": "Structures of a few test molecules, to be drawn",
    "numerics": (
        "Relative errors of the curvature's numerics, by check; the largest of a few random vectors; probes: errors of "
        "traces over their size, as stated and as observed between groups of n_probes probes"
    ),
}


def in_a_line(table: str) -> str:
    """Return what a table shows in a line."""
    return CAPTIONS[table].split(";")[0]
