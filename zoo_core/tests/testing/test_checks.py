"""What a check is: graded, timed, with the line of the plugin that went wrong."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import unittest

import pytest

from zoo_core import AlgorithmEntry, PluginError, Source
from zoo_core.testing import Broken, Check, Claim, NotApplicable, check, claims
from zoo_core.testing.checks import ConformanceWarning, few, last_words, run_claims


def holds() -> None:
    pass


def breaks() -> None:
    raise Broken("turn it round")


def does_not_apply() -> None:
    raise NotApplicable("it has no wheels")


def explodes() -> None:
    raise KeyError("lost")


def leaves() -> None:
    raise SystemExit(3)


def outcome(test, required: bool = True) -> Check:
    (found,) = run_claims([Claim("it", test, required)])
    return found


def test_a_claim_passes_fails_or_is_skipped_and_advice_warns():
    assert outcome(holds)[:3] == ("it", "pass", "")
    assert outcome(breaks)[:3] == ("it", "fail", "turn it round")
    assert outcome(does_not_apply)[:3] == ("it", "skip", "it has no wheels")
    assert outcome(breaks, required=False)[:3] == ("it", "warn", "turn it round")
    assert [outcome(breaks, required).passed for required in (True, False)] == [False, True]


def test_what_a_claim_raises_or_exits_with_is_a_failure_and_does_not_stop_the_others():
    first, second, third = run_claims([Claim("first", explodes), Claim("second", leaves), Claim("third", holds)])
    assert re.fullmatch(r"KeyError: 'lost' \(testing/test_checks.py:\d+\)", first.detail)
    assert second.detail.startswith("SystemExit: 3")
    assert third.outcome == "pass"


def test_a_failure_names_the_plugins_own_line_and_not_that_of_a_library(tmp_path, monkeypatch):
    (tmp_path / "clumsy.py").write_text("import json\n\n\ndef read():\n    return json.loads('{')\n")
    monkeypatch.syspath_prepend(tmp_path)
    import clumsy

    (found,) = run_claims([Claim("it", clumsy.read)], package="clumsy")
    assert found.detail.startswith("JSONDecodeError: ")
    assert found.detail.endswith("clumsy.py:5)")


def test_the_error_behind_a_typed_one_is_placed_too():
    def load() -> None:
        try:
            explodes()
        except KeyError as error:
            raise PluginError("cannot import") from error

    assert re.fullmatch(r"cannot import \(testing/test_checks.py:\d+\)", outcome(load).detail)


def test_an_observer_hears_each_name_before_and_each_check_after():
    heard = []
    found = run_claims([Claim("first", holds), Claim("second", breaks)], heard.append)
    assert heard == ["first", found[0], "second", found[1]]
    assert all(row.seconds >= 0 for row in found)


def test_a_claim_that_is_called_raises_what_test_runners_understand():
    with pytest.raises(AssertionError, match="turn it round"):
        Claim("it", breaks)()
    with pytest.raises(unittest.SkipTest, match="no wheels"):
        Claim("it", does_not_apply)()
    with pytest.warns(ConformanceWarning, match="it: turn it round"):
        Claim("it", breaks, required=False)()


def test_advice_that_raises_anything_at_all_is_a_warning_for_test_runners_too():
    with pytest.warns(ConformanceWarning, match=r"it: KeyError: 'lost' \(testing/test_checks.py:\d+\)"):
        Claim("it", explodes, required=False)()
    with pytest.raises(unittest.SkipTest, match="no wheels"):
        Claim("it", does_not_apply, required=False)()
    with pytest.raises(KeyError):
        Claim("it", explodes)()


def test_of_many_names_the_first_few_are_listed():
    assert few("tensor", ["a"]) == "1 tensor (a)"
    assert few("tensor", ["d", "b", "e", "a", "c"]) == "5 tensors (a, b, c, …)"


def test_of_a_process_that_failed_only_the_error_and_the_plugins_last_line_are_told():
    stderr = (
        'Traceback (most recent call last):\n  File "/home/me/toy/loss.py", line 7, in loss\n    x = f()\n'
        '  File "/lib/torch/nn.py", line 99, in f\n    raise KeyError\nKeyError: 3\n  and a remark\n'
    )
    assert last_words(stderr, "toy") == "KeyError: 3 (toy/loss.py:7)"
    assert last_words(stderr, "another") == "KeyError: 3 (torch/nn.py:99)"
    assert last_words("", "toy") == "it said nothing"


def test_a_factory_that_cannot_be_imported_is_one_failure_and_the_rest_is_skipped():
    rows = check(AlgorithmEntry("toy", "", "no_such_module:Toy", Source("none")))
    assert [row.name for row in rows if row.outcome == "fail"] == ["the_factory_can_be_imported"]
    assert {row.outcome for row in rows[1:] if row.name != "words_are_known"} == {"skip"}
    assert "no_such_module" in rows[0].detail


def test_what_is_no_entry_is_refused():
    with pytest.raises(TypeError, match="none of the four kinds"):
        claims("toy")


# --- the pytest plugin -------------------------------------------------------------------------------------------

HOOKS = """
from zoo_core import EnvEntry, MixerEntry, Source, hookimpl

@hookimpl
def zoo_mixers():
    return [
        MixerEntry("plain", "", "zoo_core.testing.tiny:PlainMixer", Source(""), traits=("linear", "monotone")),
        MixerEntry("boastful", "", "zoo_core.testing.tiny:PlainMixer", Source(""), traits=("linear",)),
    ]

@hookimpl
def zoo_envs():
    return [EnvEntry("test-tracking", "", "zoo_core.testing.games:Tracking", Source(""), agents=2)]
"""

TESTS = {
    "test_whole.py": 'zoo_plugin = "small_hooks"\ndef test_conformance(zoo_claim): zoo_claim()\n',
    "test_silent.py": "def test_conformance(zoo_claim): zoo_claim()\n",
    "test_astray.py": 'zoo_plugin = "no_such_hooks"\ndef test_conformance(zoo_claim): zoo_claim()\n',
}


def pytest_says(folder, *names: str) -> str:
    (folder / "small_hooks.py").write_text(textwrap.dedent(HOOKS))
    for name in names:
        (folder / name).write_text(TESTS[name])
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", *names]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False).stdout


def test_the_fixture_runs_every_claim_of_every_entry_a_hook_module_offers(tmp_path):
    said = pytest_says(tmp_path, "test_whole.py")
    assert "PASSED test_whole.py::test_conformance[mixer:plain:totals_are_the_weighted_sum]" in said
    assert "FAILED test_whole.py::test_conformance[mixer:boastful:traits_are_known]" in said
    assert "PASSED test_whole.py::test_conformance[env:test-tracking:reference_is_stated]" in said
    assert "ConformanceWarning: reference_is_stated" in said


def test_a_module_without_a_plugin_and_one_that_cannot_be_imported_are_told_so(tmp_path):
    said = pytest_says(tmp_path, "test_silent.py", "test_astray.py")
    assert 'Add a line to test_silent that names the hook module: zoo_plugin = "my_plugin.plugin"' in said
    assert "the hook module 'no_such_hooks' cannot be used: ModuleNotFoundError" in said
    assert "Traceback" not in said


def test_importing_the_pytest_plugin_brings_in_nothing_heavy():
    code = "import zoo_core.testing.pytest_plugin, sys; print([m for m in ('torch', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
