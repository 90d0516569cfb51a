"""One shared encoder with an energy head and a structure decoder."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from curvature_mtl.consistency.batches import MoleculeGraphs, Molecules, centred
from curvature_mtl.consistency.encoder import Dense, Encoder, pair_distances
from curvature_mtl.consistency.prior import Morse, References
from curvature_mtl.tensor_files import checked, read_tensors, write_tensors

FORM = "curvature-mtl-consistency-models/1"
# Standard deviation of a coordinate of a small molecule about its centre, which scales the decoder's input and output.
SPREAD = 1.5  # angstrom
# The decoder's vectors, of length 1.7 or so, cannot grow beyond this: DDIM would run away with one that does.
LONGEST_VECTOR = 10.0


@dataclass(frozen=True)
class ModelSettings:
    """Size of the encoder."""

    width: int = 64
    layers: int = 4


class ConsistencyModel(nn.Module):
    """Energies and forces of geometries, and denoised structures, of molecules whose graphs are given.

    The energy is the sum of references of atoms and bonds, Morse terms and atomic contributions of the network: it is
    extensive, and invariant under translations, rotations, reflections and exchanges of like atoms; forces and
    denoised structures turn with the molecule. The decoder sees the graph and the noisy positions alone.
    """

    def __init__(self, elements: list[int], settings: ModelSettings):
        super().__init__()
        self.elements, self.settings = elements, settings
        width = settings.width
        self.encoder = Encoder(len(elements), width, settings.layers)
        self.references = References(len(elements))
        self.morse = Morse(len(elements))
        last = Dense(width // 2, 1)
        # The first energies are those of references and Morse terms.
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.energy_head = nn.Sequential(Dense(width, width // 2), nn.SiLU(), last)
        self.decoder = nn.Sequential(Dense(width, width), nn.SiLU(), Dense(width, width))

    def relative_energy(self, graphs: MoleculeGraphs, positions: Tensor) -> Tensor:
        """Return the energy without the references [molecules] in eV."""
        atoms = self.encoder(graphs, positions, positions.new_zeros(len(graphs)))
        of_atoms = self.energy_head(atoms.scalars).squeeze(0) * graphs.real
        return of_atoms.sum(1) + self.morse(graphs, pair_distances(positions))

    def energy(self, graphs: MoleculeGraphs, positions: Tensor) -> Tensor:
        """Return the energy [molecules] in eV, float64."""
        return self.references(graphs) + self.relative_energy(graphs, positions).double()

    def energy_and_forces(
        self, graphs: MoleculeGraphs, positions: Tensor, create_graph: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Return relative energies [molecules] in eV and forces [molecules, n, 3] in eV/angstrom.

        Args:
            graphs: of the molecules.
            positions: [molecules, n, 3] angstrom.
            create_graph: whether the forces are to be differentiated.
        """
        with torch.enable_grad():
            positions = positions.detach().requires_grad_()
            energy = self.relative_energy(graphs, positions)
            [slope] = torch.autograd.grad(energy.sum(), [positions], create_graph=create_graph)
        return energy if create_graph else energy.detach(), -slope

    def denoise(self, graphs: MoleculeGraphs, positions: Tensor, noise: Tensor) -> Tensor:
        """Return the expected structures behind noisy ones [molecules, n, 3], centred.

        Variance-exploding noise with the scales of Karras et al. 2022 (arXiv:2206.00364, table 1): of positions x with
        noise s, D = x c^2 / (s^2 + c^2) + s c / sqrt(s^2 + c^2) * vectors of the decoder, c being `SPREAD`.

        Args:
            graphs: of the molecules.
            positions: [molecules, n, 3] angstrom.
            noise: standard deviation of the noise in each coordinate of a molecule, at least 0 [molecules].
        """
        level = noise.view(-1, 1, 1)
        total = level.square() + SPREAD**2
        # Distances of a noisy molecule are shrunk to those of a molecule.
        seen = centred(positions, graphs.real)
        atoms = self.encoder(graphs, seen * (SPREAD / total.sqrt()), noise)
        vectors = (self.decoder(atoms.scalars)[..., None] * atoms.vectors).mean(0)
        vectors = vectors * (1 + vectors.square().sum(-1, keepdim=True) / LONGEST_VECTOR**2).rsqrt()
        denoised = seen * (SPREAD**2 / total) + vectors * (SPREAD * level / total.sqrt())
        return centred(denoised, graphs.real)


def build_model(molecules: Molecules, settings: ModelSettings, seed: int) -> ConsistencyModel:
    """Return a model with weights drawn from the seed, and references and Morse lengths of the training molecules."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ConsistencyModel(molecules.elements, settings)
    train = torch.nonzero(molecules.subset == 0).squeeze(1)
    graphs = molecules.graphs.select(train)
    cheap = molecules.cheap.select(train, graphs.real.shape[1])
    model.references.fit(graphs, cheap.energies)
    model.morse.start_at(graphs, cheap)
    return model


def save_models(path: Path, models: dict[str, ConsistencyModel], described: dict[str, Any]) -> None:
    """Write models of equal size by name, atomically, with a description."""
    first = next(iter(models.values()))
    tensors = {f"{name}/{k}": v.numpy() for name, model in models.items() for k, v in model.state_dict().items()}
    shape = {"names": list(models), "elements": first.elements, "settings": asdict(first.settings)}
    write_tensors(path, tensors, FORM, {"models": shape, "described": described})


def load_models(path: Path) -> tuple[dict[str, ConsistencyModel], dict[str, Any]]:
    """Read models by name, and their description.

    Raises:
        UserError: if the file is not a model file of this form, or its parts do not fit together.
    """
    arrays, described = read_tensors(path, FORM)
    return checked(path, lambda: (_models(arrays, described["models"]), dict(described["described"])))


def _models(arrays: dict[str, np.ndarray], shape: dict[str, Any]) -> dict[str, ConsistencyModel]:
    models = {}
    for name in shape["names"]:
        model = ConsistencyModel(shape["elements"], ModelSettings(**shape["settings"]))
        prefix = f"{name}/"
        own = {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
        model.load_state_dict({key: torch.from_numpy(array) for key, array in own.items()})
        models[name] = model
    return models
