"""Raw data: registry, verified download, readers and the sample makers; no torch here."""
