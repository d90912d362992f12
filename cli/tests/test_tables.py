"""Tables and cards on a terminal and in a pipe."""

from __future__ import annotations

import re
import sys

import pytest

from zoo_cli.tables import show_facts, show_table, show_text


def pretend_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")


LONG = "a long reason " * 10


def test_a_piped_table_is_aligned_and_cut_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("name", "why"), [("x", LONG.strip()), ("longer", "")])
    assert capsys.readouterr().out == f"  name    why\n  x       {LONG.strip()}\n  longer\n"


def test_a_table_on_a_terminal_fits_it_and_keeps_every_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend_terminal(monkeypatch)
    show_table(("name", "why"), [("[x]", LONG)], red=[0])
    out = re.sub("\x1b.*?m", "", capsys.readouterr().out)
    assert max(map(len, out.splitlines())) <= 60
    assert out.count("reason") == 10
    assert "[x]" in out


def test_names_and_numbers_on_a_terminal_stay_whole_where_prose_beside_them_is_folded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend_terminal(monkeypatch)
    show_table(("name", "what it is"), [("mpe-cn/medium-replay", LONG)])
    assert any(line.strip().startswith("mpe-cn/medium-replay ") for line in capsys.readouterr().out.splitlines())
    name = "mamujoco-halfcheetah-6x1/medium"
    show_table(("name", "transitions", "return", "size"), [(name, "1,000,000", "3199.0 ± 140.2", "603 MB")])
    out = re.sub("\x1b.*?m", "", capsys.readouterr().out)
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines.index(name) + 1 == lines.index("1,000,000 3199.0 ± 140.2 603 MB")
    assert lines.index("transitions return size") < lines.index(name)


def test_an_empty_table_is_its_header(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("name", "why"), [])
    assert capsys.readouterr().out == "  name  why\n"


def test_facts_leave_out_what_is_empty_and_keep_zero(capsys: pytest.CaptureFixture[str]) -> None:
    show_facts({"url": "", "code": None, "agents": 0, "summary": "yes"})
    assert capsys.readouterr().out == "  agents   0\n  summary  yes\n"


def test_text_on_a_terminal_is_wrapped_between_words_and_in_a_pipe_it_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    show_text(LONG.strip())
    assert capsys.readouterr().out == f"  {LONG.strip()}\n"
    pretend_terminal(monkeypatch)
    show_text(LONG.strip())
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("  ") and len(line) <= 60 for line in lines)
    assert " ".join(line.strip() for line in lines) == LONG.strip()


def test_a_command_among_facts_stays_in_one_piece_to_be_copied(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = f"pip install -e {'/folder' * 20} -e {'/another' * 20}"
    pretend_terminal(monkeypatch)
    show_facts({"install": command})
    assert capsys.readouterr().out == f"  install  {command}\n"


def test_facts_on_a_terminal_wrap_beside_their_label(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend_terminal(monkeypatch)
    show_facts({"why": LONG})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 1
    assert all(len(line) <= 60 for line in lines)
    assert all(line.startswith("       ") for line in lines[1:])
