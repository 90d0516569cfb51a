"""Molecules and crystals of the sample, with labels by its engines, and small networks on them with dense matrices.

Three tasks a set. Of the second some labels are missing, of the third all labels of a batch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from curvature_mtl.datasets import sample_alloys, sample_molecules
from curvature_mtl.datasets.enumerate_alloys import enumerate_alloys
from curvature_mtl.graphs.batches import GraphBatch, GraphTensors
from curvature_mtl.graphs.featurize import Featurizer
from curvature_mtl.graphs.featurizers import CrystalFeaturizer, MoleculeFeaturizer
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.network import Network, NetworkSettings, build_network
from curvature_mtl.training.standardise import Standardiser

SMILES = ("C", "CCO", "C=O", "CC#N", "C1CC1", "c1ccoc1", "NC=O", "FCC=O", "CC(=O)O", "O", "C1COC1", "CN")
N_ALLOYS = 12  # the first seven are the elements, of one site each
BATCH = 6
N_TASKS = 3
MASKED, ABSENT = 1, 2  # the task that lacks some labels, and the one that lacks those of the first batch

torch.set_num_threads(1)


@dataclass(frozen=True, eq=False)
class SampleProblem:
    """A float64 network on a few graphs, and each task's Hessian and GGN in the trunk [p, p], squared errors."""

    network: Network
    batches: list[GraphBatch]
    hessians: Tensor
    ggns: Tensor

    @property
    def p(self) -> int:
        return self.hessians.shape[1]

    def dense(self, curvature: str) -> Tensor:
        """Return the matrices of all tasks [tasks, p, p]."""
        return {"hessian": self.hessians, "ggn": self.ggns}[curvature]


@cache
def molecules() -> SampleProblem:
    tasks = ("gap-GFN2", "dipole-GFN2", "atomization-GFN2")
    labels = [sample_molecules.label_molecule(smiles, seed=0) for smiles in SMILES]
    targets = np.array([[label[task] for task in tasks] for label in labels])
    store = featurized(MoleculeFeaturizer(explicit_hydrogens=False), SMILES, targets, tasks)
    return sample_problem(store, NetworkSettings(width=4, layers=2, representation=4))


@cache
def crystals() -> SampleProblem:
    tasks = ("formation_energy", "log_K", "volume")
    relaxed = [
        sample_alloys.relax(sample_alloys.starting_atoms(crystal)) for crystal in enumerate_alloys(N_ALLOYS, seed=0)
    ]
    labels = [
        sample_alloys.energy_labels(atoms) | sample_alloys.elastic_labels(sample_alloys.elastic_tensor(atoms))
        for atoms in relaxed
    ]
    targets = np.array([[label[task] for task in tasks] for label in labels])
    structures = tuple(sample_alloys.structure_json(atoms) for atoms in relaxed)
    store = featurized(CrystalFeaturizer(max_sites=0), structures, targets, tasks)
    return sample_problem(store, NetworkSettings(width=3, layers=1, representation=4))


PROBLEMS: dict[str, Callable[[], SampleProblem]] = {"molecules": molecules, "crystals": crystals}


def featurized(
    featurizer: Featurizer, structures: tuple[str, ...], targets: np.ndarray, tasks: tuple[str, ...]
) -> GraphStore:
    """Make the graphs, standardise the labels, and take some away."""
    standardised = Standardiser.fit(targets, list(tasks)).forward(targets)
    standardised[[1, 2, 6, 11], MASKED] = np.nan
    standardised[:BATCH, ABSENT] = np.nan
    graphs = [featurizer.graph(structure)[0] for structure in structures]
    return GraphStore.from_graphs(graphs, standardised, tasks, featurizer.node_table, featurizer.distance_centres)


def sample_problem(store: GraphStore, settings: NetworkSettings) -> SampleProblem:
    tensors = GraphTensors(store, dtype=torch.float64)
    network = build_network(store.node_dim, store.edge_dim, N_TASKS, settings, seed=0).double()
    together = tensors.batch(torch.arange(len(store)))
    batches = list(tensors.batches(torch.arange(len(store)), BATCH))
    return SampleProblem(network, batches, *dense_matrices(network, together))


def dense_matrices(network: Network, batch: GraphBatch) -> tuple[Tensor, Tensor]:
    """Form each task's Hessian and GGN [tasks, p, p] in the trunk, of all graphs at once, by torch.func.

    Row by row from the gradient: `torch.func.hessian` is wrong for a LayerNorm with weights (test_foreign_models.py).
    """
    given = dict(network.trunk.named_parameters(prefix="trunk"))
    sizes = [parameter.numel() for parameter in given.values()]
    flat = torch.cat([parameter.detach().flatten() for parameter in given.values()])
    labelled = ~torch.isnan(batch.y)
    # 0 where a label is missing, so that what is predicted there counts for nothing.
    share = labelled.double() / labelled.sum(0)

    def predictions(values: Tensor) -> Tensor:
        parts = [part.view_as(like) for part, like in zip(values.split(sizes), given.values(), strict=True)]
        return torch.func.functional_call(network, dict(zip(given, parts, strict=True)), (batch,))

    def loss(values: Tensor, task: int) -> Tensor:
        return (share * (predictions(values) - batch.y.nan_to_num()).square()).sum(0)[task]

    rows = torch.func.jacrev(torch.func.grad(loss), chunk_size=256)
    jacobian = torch.func.jacrev(predictions)(flat).detach()  # [graphs, tasks, p]
    ggns = torch.einsum("gti,gt,gtj->tij", jacobian, 2 * share, jacobian)
    return torch.stack([rows(flat, task).detach() for task in range(N_TASKS)]), ggns
