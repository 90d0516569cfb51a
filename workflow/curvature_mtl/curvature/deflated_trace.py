"""Traces of all tasks from the same vectors: exact where their large eigenvalues are, estimated elsewhere."""

import torch
from torch import Tensor

from curvature_mtl.curvature.orthogonal import outside
from curvature_mtl.curvature.shared_trunk import MultiTaskCurvature


def deflated_traces(matrix: MultiTaskCurvature, vectors: Tensor, probes: Tensor) -> Tensor:
    """Return estimates of each task's trace, an unbiased one a probe [tasks, k].

    Each is tr Q'HQ + v'(I - QQ') H (I - QQ') v, with Q an orthonormal basis of the given vectors: Hutchinson's
    estimator without what Q holds, as in Hutch++ (Meyer et al., SOSA 2021). Q may come from another matrix with
    similar large eigenvalues, but not from the probes.

    Args:
        matrix: the tasks' matrices H.
        vectors: such as eigenvectors of large eigenvalues of all tasks [p, q], independent.
        probes: isotropic v [p, k].
    """
    basis = torch.linalg.qr(vectors).Q
    forms = matrix.quadratic_forms(torch.cat([basis, outside(basis, probes)], dim=1))
    return forms[:, : basis.shape[1]].sum(1, keepdim=True) + forms[:, basis.shape[1] :]
