"""Every source of data in one table: its tasks, units, licence, citation, and where its file comes from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """One property to predict."""

    name: str
    unit: str


@dataclass(frozen=True)
class Download:
    """A public file, checked by size and digest; `file` is its path below a mirror and below the download folder."""

    file: str
    url: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Source:
    """Where a dataset comes from; a source without a download is made inside the workflow."""

    title: str
    tasks: tuple[Task, ...]
    licence: str
    citation: str
    download: Download | None = None

    @property
    def is_sample(self) -> bool:
        """Whether the data are made here to show the workflow, and are not the study's."""
        return self.download is None


XTB_LEVELS = ("GFN1", "GFN2", "IPEA1")
XTB_UNITS = {"gap": "eV", "homo": "eV", "dipole": "debye", "atomization": "eV"}
QM8_LEVELS = ("CC2", "PBE0", "CAM")
QM8_UNITS = {"E1": "hartree", "E2": "hartree", "f1": "dimensionless", "f2": "dimensionless"}

SOURCES = {
    "sample_molecules": Source(
        title="sample of enumerated small molecules labelled with xTB",
        tasks=tuple(Task(f"{name}-{level}", unit) for level in XTB_LEVELS for name, unit in XTB_UNITS.items()),
        licence="MIT, like the workflow that makes it",
        citation="Bannwarth et al. 2019, doi:10.1021/acs.jctc.8b01176 (GFN2-xTB); Grimme et al. 2017, "
        "doi:10.1021/acs.jctc.7b00118 (GFN1-xTB); Asgeirsson et al. 2017, doi:10.1039/C7SC00601B (IPEA1-xTB)",
    ),
    "qm8": Source(
        title="QM8: electronic spectra of 21,786 small organic molecules, as MoleculeNet distributes it",
        tasks=tuple(Task(f"{name}-{level}", unit) for level in QM8_LEVELS for name, unit in QM8_UNITS.items()),
        licence="no explicit licence for the data: cite, do not redistribute",
        citation="Ruddigkeit et al. 2012, doi:10.1021/ci300415d; Ramakrishnan et al. 2015, doi:10.1063/1.4928757",
        download=Download(
            file="qm8/qm8.csv",
            url="https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/qm8.csv",
            size=4_719_270,
            sha256="3e70e56805edb2f0796b64f96af9b53dd8cca408d775612d47123f7d2da7d61d",
        ),
    ),
}
