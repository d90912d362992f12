"""Metrics are means per interval, and the log survives being cut anywhere."""

from __future__ import annotations

import csv
import json

import torch

from zoo_core.training.metrics import Means, MetricsLog


def test_rows_hold_means_over_the_interval_of_each_seed():
    means = Means()
    for value in (1.0, 2.0, 6.0):
        means.add({"a/loss": torch.tensor([value, 10 * value]), "a/w": torch.tensor([[value, 0.0], [1.0, 1.0]])})
    means.add({"b/loss": torch.tensor([5.0, float("nan")])})
    assert means.take(0) == {"a/loss": 3.0, "a/w/0": 3.0, "a/w/1": 0.0, "b/loss": 5.0}
    assert means.take(1) == {"a/loss": 30.0, "a/w/0": 1.0, "a/w/1": 1.0, "b/loss": None}


def test_state_read_back_through_json_continues_with_equal_bits():
    whole, part = Means(), Means()
    values = torch.rand(20, 2, generator=torch.Generator().manual_seed(1))
    for value in values:
        whole.add({"a": value, "v": value.repeat(2).reshape(2, 2)})
    for value in values[:9]:
        part.add({"a": value, "v": value.repeat(2).reshape(2, 2)})
    states = [json.loads(json.dumps(part.state(index))) for index in (0, 1)]
    resumed = Means()
    resumed.load(states, torch.device("cpu"))
    for value in values[9:]:
        resumed.add({"a": value, "v": value.repeat(2).reshape(2, 2)})
    assert [whole.take(0), whole.take(1)] == [resumed.take(0), resumed.take(1)]


def test_truncation_drops_later_rows_and_a_half_written_one(tmp_path):
    log = MetricsLog(tmp_path)
    for iteration in (10, 20, 30):
        log.append({"iteration": iteration, "a": iteration / 10})
    with open(log.path, "a") as file:
        file.write('{"iteration": 40, "a"')
    log.truncate(20)
    assert [row["iteration"] for row in log.rows()] == [10, 20]
    log.append({"iteration": 30, "a": 3.0})
    assert [row["iteration"] for row in log.rows()] == [10, 20, 30]


def test_csv_has_every_column_of_every_phase(tmp_path):
    log = MetricsLog(tmp_path)
    log.append({"iteration": 1, "fit/loss": 0.5})
    log.append({"iteration": 2, "critic/loss": 0.25})
    log.write_csv()
    with open(tmp_path / "metrics.csv") as file:
        assert list(csv.DictReader(file)) == [
            {"iteration": "1", "fit/loss": "0.5", "critic/loss": ""},
            {"iteration": "2", "fit/loss": "", "critic/loss": "0.25"},
        ]
