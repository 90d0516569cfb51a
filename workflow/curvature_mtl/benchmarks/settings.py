"""What is compared."""

from dataclasses import dataclass, field

from curvature_mtl.models.network import NetworkSettings


@dataclass(frozen=True)
class BenchmarkSettings:
    """Size of the problem, of the block of products, and of the job.

    Attributes:
        graphs: how many are drawn; all, if there are fewer.
        network: size of the network.
        probes: vectors of a block, and starts of Lanczos, the same for all tasks.
        lanczos_steps: from each start.
        relative_error: wanted of each trace.
        trace_probes: probes that our job may take at most for the traces.
        turns: how often each time is taken; the median counts.
        batch_sizes: graphs a batch that a peer may choose from; for our products it is the first.
        seed: of graphs, weights and probes.
    """

    graphs: int = 2000
    network: NetworkSettings = field(default_factory=NetworkSettings)
    probes: int = 4
    lanczos_steps: int = 30
    relative_error: float = 0.02
    trace_probes: int = 256
    turns: int = 3
    batch_sizes: tuple[int, ...] = (250, 500, 2000)
    seed: int = 0
