"""A structure store of a few small molecules with made-up labels."""

import numpy as np

from curvature_mtl.consistency.structure_store import SUBSETS, MoleculeStructures, StructureStore
from curvature_mtl.datasets.sample_molecules import embed

SMILES = ["CO", "C#N", "CC=O", "c1cc[nH]c1", "NC=O", "C1CO1", "CC#N", "OCF", "CCO", "C=CF", "CN", "COC"]


def small_store(smiles: list[str] = SMILES, held_out: int = 2) -> StructureStore:
    """Return molecules of which the last `held_out` are for testing, and the one before for validation."""
    generator = np.random.default_rng(0)
    last = len(smiles) - held_out
    subsets = ["train" if i < last - 1 else "validation" if i < last else "test" for i in range(len(smiles))]
    molecules = [_labelled(s, subset, generator) for s, subset in zip(smiles, subsets, strict=True)]
    return StructureStore.from_molecules(molecules, {})


def _labelled(smiles: str, subset: str, generator: np.random.Generator) -> MoleculeStructures:
    molecule = embed(smiles, 0)
    cheap = molecule.GetConformer().GetPositions()
    n = len(cheap)
    is_held_out = subset != "train"
    return MoleculeStructures(
        numbers=np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()]),
        bonds=np.array([[b.GetBeginAtomIdx(), b.GetEndAtomIdx()] for b in molecule.GetBonds()]).T,
        bond_orders=np.array([b.GetBondTypeAsDouble() for b in molecule.GetBonds()]),
        cheap_positions=cheap,
        cheap_energy=-100.0 * n + generator.normal(),
        cheap_forces=generator.normal(0, 0.3, cheap.shape),
        perturbed_positions=cheap + generator.normal(0, 0.1, (2, n, 3)),
        perturbed_energy=-100.0 * n + generator.normal(size=2),
        perturbed_forces=generator.normal(0, 1, (2, n, 3)),
        equilibrium_positions=cheap + generator.normal(0, 0.02, cheap.shape)
        if is_held_out
        else np.full_like(cheap, np.nan),
        equilibrium_energy=-100.0 * n - 1 if is_held_out else np.nan,
        equilibrium_max_force=0.01 if is_held_out else np.nan,
        subset=SUBSETS.index(subset),
    )
