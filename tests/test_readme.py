"""README names only commands, files and pictures that exist."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from pipeline.__main__ import app

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
VERBS = get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("line", sorted(set(re.findall(r"-m pipeline [^`\n&]+", README))))
def test_each_command_is_a_verb_with_these_options(line):
    verb, *words = line.removeprefix("-m pipeline ").split()
    options = {name for parameter in VERBS[verb].params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make ([a-z-]+)", README)) - {"(", "is"}))
def test_each_make_target_exists(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_each_picture_and_file_exists():
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    files = re.findall(r"`((?:requirements|assets|pipeline|models|tests)[\w./-]*\.\w+)`", README)
    missing = [name for name in pictures + files if not (ROOT / name).exists()]
    assert not missing


def test_it_says_what_it_is_not():
    assert "Research use only - not for diagnosis" in README
    assert "synthetic task, not COVID-19" in README
