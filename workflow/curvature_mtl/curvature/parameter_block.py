"""The block of a module's parameters to differentiate in, chosen by name."""

from torch import nn

ALL, TRUNK = "all", "trunk"


def parameter_block(module: nn.Module, *names: str) -> list[nn.Parameter]:
    """Return the parameters with the given names (by default the trunk's), in the module's order, each once.

    A name stands for the parameter or the part of the module that is called so, as in `named_parameters`: "trunk",
    "heads", "trunk.layers.0", "heads.1.weight". "all" stands for every parameter. Of several names, the block is
    all that any of them stands for. A tied weight is found under each of its names. Frozen parameters
    (`requires_grad` is False) are left out: the loss has no derivative in them.

    Args:
        module: any module.
        names: as above; "trunk" if there are none.

    Raises:
        ValueError: if a name stands for no parameter that is not frozen; the message lists the parts there are.
    """
    trainable = {n: p for n, p in module.named_parameters(remove_duplicate=False) if p.requires_grad}
    chosen = names or (TRUNK,)
    for wanted in chosen:
        if not any(_stands_for(wanted, name) for name in trainable):
            parts = ", ".join(dict.fromkeys(name.rpartition(".")[0] or name for name in trainable))
            raise ValueError(
                f"no parameter to differentiate in is called '{wanted}' or is part of it; there are: {parts}"
            )
    block = (p for name, p in trainable.items() if any(_stands_for(wanted, name) for wanted in chosen))
    return list(dict.fromkeys(block))


def _stands_for(wanted: str, name: str) -> bool:
    return wanted == ALL or name == wanted or name.startswith(f"{wanted}.")
