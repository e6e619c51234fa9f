"""The files of words hold what the planner asks for, and nothing else."""

import re
from pathlib import Path

import chat_svc.planner
from chat_svc.planner import forms

FILES = {
    path.stem: path.read_text() for path in Path(chat_svc.planner.__file__).parent.glob("*.py")
}
CODE = "".join(FILES.values())
FORMS = {name: text for section in forms.data("forms").values() for name, text in section.items()}
ASKS = r'(?:form|has)\(\s*"(\w+)"'
VERBS = "".join(verb["pattern"] for verb in forms.data("verbs")["verb"])


def test_every_form_is_asked_for_and_every_one_asked_for_is_there() -> None:
    asked = set(re.findall(ASKS, CODE))
    named = set(re.findall(r"\{([a-z_]+)\}", "".join(FORMS.values()) + VERBS))
    assert asked <= FORMS.keys()
    assert FORMS.keys() <= asked | named


def test_a_form_stands_under_the_file_that_asks_for_it() -> None:
    asked = {file: set(re.findall(ASKS, code)) for file, code in FILES.items()}
    for section, known in forms.data("forms").items():
        for name in known:
            users = {file for file, names in asked.items() if name in names}
            assert users <= {section} or section == "several", name


def test_every_set_is_asked_for_and_every_one_asked_for_is_there() -> None:
    asked = set(re.findall(r'word_set\(\s*f?"(\w+?_?)(?:\{number\})?"', CODE))
    there = {name for name, line in forms.data("sets").items() if isinstance(line, str)}
    assert {re.sub(r"(?<=^place_)\d$", "", name) for name in there} == asked


def test_every_form_is_a_pattern() -> None:
    for name in FORMS:
        assert forms.form(name).pattern
