"""How the tasks' gradients are weighed in the trunk they share: one module a family of methods."""
