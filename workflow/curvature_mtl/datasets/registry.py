"""Every source of data in one table: its tasks, units, licence, citation, and where its files come from."""

from dataclasses import dataclass

MOLECULE, CRYSTAL = "molecule", "crystal"
# The splits of each kind of structure, the default first, and the column of graphs.parquet whose groups never straddle.
SPLIT_GROUPS = {
    MOLECULE: {"random": "molecule", "scaffold": "scaffold"},
    CRYSTAL: {"formula": "formula", "random": "row", "chemical_system": "chemical_system"},
}
Range = tuple[float | None, float | None]


@dataclass(frozen=True)
class Task:
    """One property to predict, and how its label is made from a cell of the raw file.

    Attributes:
        name: of the task.
        unit: of the label, after the transform.
        column: of the raw file; empty if it is called like the task.
        transform: a name of `labels.TRANSFORMS`.
        valid: least and largest raw value of a good label, `None` for no bound; a label outside is dropped.
        group: labels of one group are kept or dropped together; empty for a task on its own.
    """

    name: str
    unit: str
    column: str = ""
    transform: str = "none"
    valid: Range = (None, None)
    group: str = ""


@dataclass(frozen=True)
class Download:
    """A public file.

    A file without a digest is an archive whose bytes are not stable: what it holds is checked when it is read.

    Attributes:
        file: path below a mirror, and below the download folder.
        urls: public addresses in the order in which they are tried: its first place, then copies of it elsewhere.
        size: bytes.
        sha256: hexadecimal.
    """

    file: str
    urls: tuple[str, ...]
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Source:
    """Where a dataset comes from.

    Attributes:
        title: one line for people.
        kind: `molecule` or `crystal`.
        tasks: all that the source has; empty for a table, whose tasks stand in the config.
        licence: of the data.
        citation: what to cite.
        downloads: public files; none for a sample, which is made inside the workflow, and for a table.
        assembled: path below the download folder of the one file that several downloads are joined to.
        is_sample: whether the data are made here to show the workflow, and are not the study's.
    """

    title: str
    kind: str
    tasks: tuple[Task, ...]
    licence: str
    citation: str
    downloads: tuple[Download, ...] = ()
    assembled: str = ""
    is_sample: bool = False


XTB_LEVELS = ("GFN1", "GFN2", "IPEA1")
XTB_UNITS = {"gap": "eV", "homo": "eV", "dipole": "debye", "atomization": "eV"}
QM8_LEVELS = ("CC2", "PBE0", "CAM")
QM8_UNITS = {"E1": "hartree", "E2": "hartree", "f1": "dimensionless", "f2": "dimensionless"}
# In another's repository at a fixed commit, for the day when the first place is gone; verified like any other.
QM8_COPY = (
    "https://raw.githubusercontent.com/unix-follower/molecule-analysis/dc717012ea95819ce7554d662446523bdfaff743"
    "/data/qm8.csv"
)
LARGEST_MODULUS = 600.0  # GPa: diamond has 540; above it stand failed calculations
POISSON_RANGE: Range = (-0.5, 0.5)
MP_CITATION = "Jain et al. 2013, doi:10.1063/1.4812323; de Jong et al. 2015, doi:10.1038/sdata.2015.9 (elasticity)"
CRYSXPP = "crysxpp-b12e52b8db9fd0cfff28fece39e1756cb96182e2.tar.gz"
CGCNN_LABELS = "https://raw.githubusercontent.com/YitengZhou/cgcnn/e8de8d3c20ba7079314b25a6c5de33cedce4f783/training"

SOURCES = {
    "sample_molecules": Source(
        title="sample of enumerated small molecules labelled with xTB",
        kind=MOLECULE,
        tasks=tuple(Task(f"{name}-{level}", unit) for level in XTB_LEVELS for name, unit in XTB_UNITS.items()),
        licence="MIT, like the workflow that makes it",
        citation="Bannwarth et al. 2019, doi:10.1021/acs.jctc.8b01176 (GFN2-xTB); Grimme et al. 2017, "
        "doi:10.1021/acs.jctc.7b00118 (GFN1-xTB); Asgeirsson et al. 2017, doi:10.1039/C7SC00601B (IPEA1-xTB)",
        is_sample=True,
    ),
    "sample_alloys": Source(
        title="sample of fcc-derived alloys of Al, Cu, Ag, Au, Ni, Pd, Pt, relaxed and labelled with EMT",
        kind=CRYSTAL,
        tasks=(
            Task("formation_energy", "eV/atom"),
            Task("volume", "angstrom^3/atom"),
            Task("log_K", "log10 GPa", group="elastic"),
            Task("log_G", "log10 GPa", group="elastic"),
            Task("poisson_ratio", "dimensionless", group="elastic"),
            Task("log_anisotropy", "dimensionless", group="elastic"),
        ),
        licence="MIT, like the workflow that makes it",
        citation="Jacobsen, Stoltze and Norskov 1996, doi:10.1016/0039-6028(96)00816-3 (EMT)",
        is_sample=True,
    ),
    "qm8": Source(
        title="QM8: electronic spectra of 21,786 small organic molecules, as MoleculeNet distributes it",
        kind=MOLECULE,
        tasks=tuple(Task(f"{name}-{level}", unit) for level in QM8_LEVELS for name, unit in QM8_UNITS.items()),
        licence="no explicit licence for the data: cite, do not redistribute",
        citation="Ruddigkeit et al. 2012, doi:10.1021/ci300415d; Ramakrishnan et al. 2015, doi:10.1063/1.4928757",
        downloads=(
            Download(
                file="qm8/qm8.csv",
                urls=("https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/qm8.csv", QM8_COPY),
                size=4_719_270,
                sha256="3e70e56805edb2f0796b64f96af9b53dd8cca408d775612d47123f7d2da7d61d",
            ),
        ),
    ),
    "mp_2020": Source(
        title="Materials Project of mid 2020: 34,750 crystals joined from two public collections",
        kind=CRYSTAL,
        tasks=(
            Task("formation_energy", "eV/atom", "formation_energy_per_atom"),
            Task("band_gap", "eV"),
            Task("fermi_energy", "eV", "efermi"),
            Task("log_K", "log10 GPa", "K_VRH", "log10", (0, LARGEST_MODULUS), "elastic"),
            Task("log_G", "log10 GPa", "G_VRH", "log10", (0, LARGEST_MODULUS), "elastic"),
            Task("poisson_ratio", "dimensionless", valid=POISSON_RANGE, group="elastic"),
        ),
        licence="CC BY 4.0 (Materials Project); the two collections are MIT-licensed",
        citation=MP_CITATION,
        downloads=(
            Download(
                f"mp/raw/{CRYSXPP}",
                (f"https://github.com/kdmsit/crysxpp/archive/{CRYSXPP.removeprefix('crysxpp-')}",),
            ),
            Download(
                "mp/raw/energy_for.csv",
                (f"{CGCNN_LABELS}/energy/energy_for.csv",),
                1_592_782,
                "e3e9ad98564e7f1fa957c878b75f3f7536ef7989f976a4de2ba7a3271939955c",
            ),
            Download(
                "mp/raw/energy_bandgap.csv",
                (f"{CGCNN_LABELS}/energy/energy_bandgap.csv",),
                1_071_818,
                "c0314a6a15757385f55f538ee7d7f9bf7dba1bba6690d42b3797675896b902ed",
            ),
            Download(
                "mp/raw/energy_efe.csv",
                (f"{CGCNN_LABELS}/energy/energy_efe.csv",),
                1_139_435,
                "956bb65e2103ace7cb450419c2fd5f390bf7646061fecfac016c1598c7edefe9",
            ),
            Download(
                "mp/raw/elasticity_warnings.csv",
                (f"{CGCNN_LABELS}/elasticity/elasticity_warnings.csv",),
                1_323_579,
                "4ffac80a1cb893a2c07a5dab88c0e3963c33d0faec04a3bca1a51c7e1cc1d0fc",
            ),
            Download(
                "mp/raw/elasticity.csv",
                (f"{CGCNN_LABELS}/elasticity/elasticity.csv",),
                835_407,
                "d596079ff44f7423712b1005b105e3b25718d71eadf19f873b027730d6ca33e4",
            ),
        ),
        assembled="mp/mp_2020.parquet",
    ),
    "mp_all_20181018": Source(
        title="Materials Project of 2018-10-18: the frozen snapshot of 83,989 crystals that matminer distributes",
        kind=CRYSTAL,
        tasks=(
            Task("formation_energy", "eV/atom", "e_form"),
            Task("band_gap", "eV", "gap pbe"),
            Task("log_K", "log10 GPa", "bulk modulus", "log10", (0, LARGEST_MODULUS), "elastic"),
            Task("log_G", "log10 GPa", "shear modulus", "log10", (0, LARGEST_MODULUS), "elastic"),
            Task("energy_above_hull", "eV/atom", "e_hull"),
            Task("magnetization", "Bohr magneton/atom", "magnetization per atom"),
            Task("poisson_ratio", "dimensionless", "poisson ratio", valid=POISSON_RANGE, group="elastic"),
        ),
        licence="CC BY 4.0 (Materials Project)",
        citation=f"{MP_CITATION}; Ward et al. 2018, doi:10.1016/j.commatsci.2018.05.018 (matminer)",
        downloads=(
            Download(
                file="mp/mp_all_20181018.json.gz",
                urls=("https://ndownloader.figshare.com/files/13309250",),
                size=184_077_884,
                sha256="1f3de2dc7c68959647240921b841293fce918ea1708e6f3760ba35a9cdfe0500",
            ),
        ),
    ),
}


def registered_downloads() -> dict[str, Download]:
    """Return every registered file by its path."""
    return {download.file: download for source in SOURCES.values() for download in source.downloads}
