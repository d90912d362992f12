"""Which pictures `zoo render` takes of an episode."""

from __future__ import annotations

import numpy as np
import pytest

from zoo_cli.frames import Footage, episode_pictures


class Counter:
    """Shows its number of steps; an episode ends after `length`."""

    def __init__(self, length):
        self.length = length
        self.drawn = 0

    def reset(self, _seeds):
        self.t = 0
        return self.view()

    def step(self, _action):
        self.t += 1
        return self.view()

    def view(self):
        from zoo_core import Step

        over = np.array([self.t >= self.length])
        return Step(np.zeros((1, 1, 1)), np.zeros((1, 1)), over, ~over & False)

    def render(self, _copy):
        self.drawn += 1
        return np.full((2, 2, 3), self.t, dtype=np.uint8)


@pytest.fixture(autouse=True)
def no_policy(monkeypatch):
    monkeypatch.setattr("zoo_cli.frames.Policy", lambda *_: lambda _view: None)


@pytest.mark.parametrize(
    ("length", "steps", "every", "shown"),
    [
        (3, 200, 1, [0, 1, 2, 3]),
        (7, 200, 3, [0, 3, 6, 7]),  # the ending is always seen
        (6, 200, 3, [0, 3, 6]),
        (100, 4, 1, [0, 1, 2, 3, 4]),
        (100, 5, 2, [0, 2, 4, 5]),
        (100, 5, 9, [0, 5]),
    ],
)
def test_the_start_every_nth_step_and_the_last_are_drawn_and_no_other(length, steps, every, shown):
    env = Counter(length)
    found = list(episode_pictures(None, env, 0, steps, every))
    assert [step for step, _ in found] == [int(picture[0, 0, 0]) for _, picture in found] == shown
    assert env.drawn == len(shown)


def test_short_episodes_are_drawn_whole_and_of_long_ones_the_beginning_of_one():
    assert Footage.of(25, None, None, None, None) == Footage(episodes=3, steps=25, every=1, fps=10, limit=25)
    long = Footage.of(1000, None, None, None, None)
    assert long == Footage(episodes=1, steps=200, every=1, fps=20, limit=1000)
    assert (Footage.of(25, None, None, None, None).cut, long.cut) == (False, True)
    assert Footage.of(None, None, None, None, None) == long


def test_what_is_asked_for_is_drawn():
    assert Footage.of(1000, 4, 900, 3, 25) == Footage(episodes=4, steps=900, every=3, fps=25, limit=1000)
    assert Footage.of(25, None, 900, None, None).steps == 25
    assert not Footage.of(1000, None, 1000, 5, None).cut


def test_where_episodes_have_no_limit_as_many_steps_are_drawn_as_were_asked_for():
    assert Footage.of(None, None, 5000, None, None).steps == 5000
    assert Footage.of(None, None, None, None, None).cut
