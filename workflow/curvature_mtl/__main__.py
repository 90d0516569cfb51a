"""`python -m curvature_mtl`, the same as `curvature-mtl`."""

from curvature_mtl.cli.main import main

if __name__ == "__main__":
    main()
