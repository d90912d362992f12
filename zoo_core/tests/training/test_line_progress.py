"""The one line of progress in notebooks and scripts."""

from __future__ import annotations

import io

import pytest

from zoo_core.training import line_progress
from zoo_core.training.events import Building, Evaluated, Failed, Finished, Note, Progress, Started
from zoo_core.training.line_progress import WIDTH, LineProgress


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def screen(self):
        """What a terminal shows: a carriage return begins the line again."""
        lines = []
        for line in self.getvalue().split("\n"):
            shown = ""
            for part in line.split("\r"):
                shown = part + shown[len(part) :]
            lines.append(shown.rstrip())
        return lines


class Clock:
    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(line_progress, "time", clock)
    return clock


def told(stream, clock, *events, seeds=1, every=1.0):
    line = LineProgress("bc on mpe-cn", seeds, stream)
    for event in events:
        clock.now += every
        line(event)
    line.close()
    return line


def test_one_line_moves_and_ends_with_the_score(clock):
    terminal = Terminal()
    told(
        terminal, clock, Started(0, "runs/x", 0, 200), Progress(0, "train", 50, 200, 10.0),
        Evaluated(0, 100, 40.0, 30.0, 50.0, 100, 12.3), Progress(0, "train", 100, 200, 10.0),
        Evaluated(0, 200, 41.0, 30.0, 50.0, 1000, 13.0, final=True), Finished(0, "runs/x"),
    )  # fmt: skip
    assert terminal.screen() == ["bc on mpe-cn: seed 0, 200/200 (100%), score 41.0 (normalised 13.0)", ""]
    assert (
        "\rbc on mpe-cn: seed 0, 100/200 (50%), 10/s, 0:10 left, return 40.0 (normalised 12.3)" in terminal.getvalue()
    )


def test_of_several_seeds_the_line_says_how_many_are_done_and_how_much_is_left(clock):
    terminal = Terminal()
    told(
        terminal, clock, Started(0, "a", 0, 100), Finished(0, "a"), Started(1, "b", 0, 100),
        Progress(1, "train", 50, 100, 2.0), seeds=3,
    )  # fmt: skip
    assert terminal.screen()[0] == "bc on mpe-cn: 1 of 3 seeds done, 150/300 (50%), 2/s, 1:15 left"


def test_what_is_worth_a_line_of_its_own_stands_above_the_moving_one(clock):
    terminal = Terminal()
    told(
        terminal, clock, Started(0, "a", 20, 100), Progress(0, "train", 30, 100, 5.0),
        Note("torch is old", warning=True), Failed(1, "it is NaN"), Progress(0, "train", 40, 100, 5.0), seeds=2,
    )  # fmt: skip
    assert terminal.screen() == [
        "seed 0 goes on after iteration 20",
        "warning: torch is old",
        "seed 1 failed: it is NaN",
        "bc on mpe-cn: 1 of 2 seeds done, 40/200 (20%), 5/s, 0:32 left",
        "",
    ]


def test_a_dataset_being_built_is_shown(clock):
    terminal = Terminal()
    told(terminal, clock, Building("mpe-cn/expert", 250, 1000))
    assert terminal.screen()[0] == "building mpe-cn/expert: 250/1,000 transitions (25%)"


def test_the_line_never_grows_wider_than_a_notebooks_cell(clock):
    terminal = Terminal()
    line = LineProgress("a-very-long-name " * 20, 1, terminal)
    line(Started(0, "a", 0, 100))
    assert len(terminal.screen()[-1]) <= WIDTH


def test_in_a_file_a_line_is_written_now_and_then_and_none_is_written_over(clock):
    file = io.StringIO()
    told(file, clock, Started(0, "a", 0, 1000), *(Progress(0, "t", i, 1000, 1.0) for i in range(1, 101)))
    lines = file.getvalue().splitlines()
    assert "\r" not in file.getvalue()
    assert [line.split(", ")[1] for line in lines] == [
        "0/1,000 (0%)",
        "30/1,000 (3%)",
        "60/1,000 (6%)",
        "90/1,000 (9%)",
    ]


def test_a_terminal_is_not_flooded(clock):
    terminal = Terminal()
    told(terminal, clock, *(Progress(0, "t", i, 1000, 1.0) for i in range(100)), every=0.01)
    assert terminal.getvalue().count("\r") <= 6


def test_an_interrupted_seed_is_not_called_failed(clock):
    file = io.StringIO()
    told(file, clock, Failed(0, "stopped after iteration 5", 130))
    assert file.getvalue() == "seed 0 stopped after iteration 5\n"


def test_a_seed_that_was_finished_before_says_how_to_start_another(clock):
    file = io.StringIO()
    told(file, clock, Finished(0, "runs/x", already=True))
    assert file.getvalue().splitlines()[0] == "seed 0 was already finished: runs/x (again=True starts another run)"
