"""The parts of a suite add up to one row a method and seed."""

from curvature_mtl.reporting.training_cost import training_cost_table


def test_parts_add_up_and_methods_and_seeds_stay_apart() -> None:
    one = {"dataset": "d", "split": "random", "seed": 0, "products": 0, "models": 1, "parameters": 10, "passes": 2.5}
    parts = [one | {"method": "stl"}, one | {"method": "stl", "products": 3}, one | {"method": "equal"}]
    table = training_cost_table([*parts, one | {"method": "equal", "seed": 1}])
    assert table.to_dict("list") == {
        "dataset": ["d", "d", "d"],
        "split": ["random"] * 3,
        "method": ["stl", "equal", "equal"],
        "seed": [0, 0, 1],
        "passes": [5.0, 2.5, 2.5],
        "products": [3, 0, 0],
        "models": [2, 1, 1],
        "parameters": [20, 10, 10],
    }
