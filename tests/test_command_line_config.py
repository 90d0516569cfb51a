"""Numbers on the command line arrive as numbers, and nothing else changes."""

import pytest
import yaml

from curvature_mtl.command_line_config import with_numbers


def as_snakemake_reads_it(text):
    """Return a value of `--config KEY=VALUE` as Snakemake 9 hands it over: text within lists and mappings."""
    return yaml.load(text, Loader=yaml.BaseLoader)


@pytest.mark.parametrize(
    "text",
    [
        "[0, 1]",
        "{epochs: 40, loss: mse}",
        "[equal, specialise]",
        "{equal: {seeds: [0], power: 0.5}}",
        "{a: [{b: true}]}",
    ],
)
def test_a_value_is_what_it_would_be_in_a_file(text):
    given = {"key": as_snakemake_reads_it(text)}
    assert with_numbers({"key": given["key"], "other": 1}, given) == {"key": yaml.safe_load(text), "other": 1}


def test_only_what_came_from_the_command_line_is_read_anew():
    given = {"training": {"epochs": "40"}}
    config = {"training": {"epochs": "40", "batch_size": "16"}, "seeds": ["1"]}
    assert with_numbers(config, given) == {"training": {"epochs": 40, "batch_size": "16"}, "seeds": ["1"]}


def test_a_key_of_another_workflow_changes_nothing():
    assert with_numbers({"run": "7", "seeds": [0]}, {"run": "8", "seeds": {"a": "1"}}) == {"run": "7", "seeds": [0]}


@pytest.mark.parametrize(
    "text", ["1e-3", "2026-01-01", "2026-99-01", "!!int x", 5000 * "9", 3000 * "[", "GFN2", "", "~", "[", "1:2:3 x"]
)
def test_what_is_no_number_in_yaml_stays_text(text):
    assert with_numbers({"key": [text]}, {"key": [text]}) == {"key": [text]}
