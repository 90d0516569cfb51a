"""Tables as lines on a terminal."""

import pandas as pd

from curvature_mtl.reporting.tables import rounded


def printed(table: pd.DataFrame) -> str:
    """Return the table as text for people: aligned columns, numbers of four digits."""
    return table.map(rounded).to_markdown(index=False, tablefmt="simple", disable_numparse=True)
