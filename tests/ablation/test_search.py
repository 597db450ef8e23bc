"""Edges of a search, the values beyond them, and how far a value is from the base config's."""

import pytest

from videogn.ablation.search import candidate_slug, candidates_of, distance, edge_of, has_test_list, widened


@pytest.mark.parametrize(
    ("value", "values", "edge", "wider"),
    [
        (0.1, [0.1, 0.2, 0.4], "smallest", [0.05, 0.1, 0.2, 0.4]),
        (0.4, [0.4, 0.1, 0.2], "largest", [0.4, 0.1, 0.2, 0.8]),
        (0.2, [0.1, 0.2, 0.4], None, None),
        ("1e-3", [0.01, "1e-3", 0.1], "smallest", [0.0001, 0.01, "1e-3", 0.1]),
        (0.0, [0.0, 0.3, 0.6], None, None),  # nothing lies below it
        (0.6, [0.0, 0.3, 0.6], "largest", [0.0, 0.3, 0.6, 0.9]),
        (0.8, [0.0, 0.5, 0.8], "largest", [0.0, 0.5, 0.8, 0.9]),  # 1.1 is no share
        (1.0, [0.0, 0.5, 1.0], None, None),
        (0.999, [0.9, 0.99, 0.999], "largest", [0.9, 0.99, 0.999, 0.9995]),
        (0.8, [0.2, 0.4, 0.8], "largest", [0.2, 0.4, 0.8, 0.9]),
        (0.2, [0.2, 0.4, 0.8], "smallest", [0.1, 0.2, 0.4, 0.8]),
        (1, [1, 5, 10], None, None),  # no count lies below it
        (2, [2, 5, 10], "smallest", [1, 2, 5, 10]),
        (0, [0, 5, 10], None, None),
        (-2, [-2, 0, 2], "smallest", [-4, -2, 0, 2]),
        (0.0, [0.0, 0.5], None, None),  # both are edges, whatever is chosen
        (8, [2, 4, 8], "largest", [2, 4, 8, 16]),
        (0.1, [0.1], None, None),
        ("sgd", ["sgd", "adamw"], None, None),
        (True, [True, False], None, None),
    ],
)
def test_an_edge_is_an_end_of_the_order_of_numbers(value, values, edge, wider):
    assert edge_of("model.dropout", value, values) == edge
    assert widened("model.dropout", value, values) == wider


def test_a_learning_rate_may_be_above_1():
    assert widened("model.base_lr", 0.6, [0.15, 0.3, 0.6]) == [0.15, 0.3, 0.6, 1.2]


def test_every_combination_is_a_candidate_with_a_name_of_its_own():
    found = candidates_of({"model.base_lr": [0.1, 0.2], "model.optimizer": ["sgd", "adamw"]})
    assert len(found) == 4
    assert [candidate_slug(one) for one in found] == [
        "base_lr0.1+optimizersgd", "base_lr0.1+optimizeradamw", "base_lr0.2+optimizersgd", "base_lr0.2+optimizeradamw",
    ]  # fmt: skip
    assert candidates_of({}) == []


def test_distance_is_by_factors():
    tune = {"model.base_lr": [0.05, 0.1, 0.4, 0.2]}
    far = [distance({"model.base_lr": lr}, {"model.base_lr": "0.10"}, tune) for lr in (0.05, 0.1, 0.4, 0.2)]
    assert far[1] == 0
    assert far[0] == pytest.approx(far[3])
    assert far[2] == pytest.approx(2 * far[0])


@pytest.mark.parametrize(
    ("lists", "has_one"),
    [
        ({}, False),
        ({"test_list": "t"}, True),
        ({"test_list": "val"}, False),
        ({"test_list": "v", "val_list": "v"}, False),
        ({"test_list": "t", "hold_out": 0.2}, False),
        ({"test_list": "./val.csv"}, False),
        ({"test_list": "validate.json"}, False),
        ({"test_list": "./a.csv", "val_list": "a.csv"}, False),
        ({"test_list": "b/../a.csv", "val_list": "a.csv"}, False),
        ({"test_list": "/videos/a.csv", "val_list": "a.csv", "root": "/videos/"}, False),
        ({"test_list": "videos/val.csv", "root": "./videos"}, False),
        ({"test_list": "other/val.csv", "root": "videos"}, True),
    ],
)
def test_a_test_list_is_one_that_does_not_validate(lists, has_one):
    assert has_test_list({f"data.{name}": value for name, value in lists.items()}) == has_one
