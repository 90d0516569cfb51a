"""Columns of curvature's files and tables; without torch, so that the commands that collect them start fast."""

# Of a task at a model.
TASK_KEYS = ["dataset", "split", "model", "epoch", "task", "seed"]
# What a measurement says, without the keys of what it was measured of.
RITZ_COLUMNS = ["probe", "ritz_value", "weight", "residual"]
QUANTITY_COLUMNS = ["block", "operator", "quantity", "value", "error", "n_products", "n_probes"]
CONFLICT_COLUMNS = ["measure", "task_a", "task_b", "value", "error"]
EXTREMAL_COLUMNS = ["lambda_max", "lambda_max_residual", "lambda_max_settled"]
EXTREMAL_COLUMNS += ["lambda_min", "lambda_min_residual", "lambda_min_settled", "asymmetry", "orthogonality_loss"]
CONVERGENCE_COLUMNS = ["operator", "quantity", "n_graphs", "is_configured", "value", "error_probes", "error_graphs"]
CONVERGENCE_COLUMNS += ["difference", "difference_error", "n_blocks", "n_probes", "n_products"]
ALONG_TRAINING_COLUMNS = ["is_solution", "quantity", "value", "error", "n_graphs", "n_products", "n_probes"]
AUDIT_COLUMNS = ["check", "quantity", "n_probes", "n_graphs", "value"]
