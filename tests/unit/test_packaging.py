"""environment.yml, pyproject.toml and the citation say the same."""

import re
import tomllib
from pathlib import Path

import labkit

ROOT = Path(__file__).parents[2]
# The packages that conda-forge names otherwise than PyPI.
CONDA_NAMES = {"matplotlib": "matplotlib-base"}


def _pyproject() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def _required(extra: str) -> set[str]:
    """The requirements of an extra and of the extras it is built on."""
    extras = _pyproject()["project"]["optional-dependencies"]
    found: set[str] = set()
    for requirement in extras[extra]:
        inner = re.fullmatch(r"labkit\[(\w+)\]", requirement)
        found |= _required(inner[1]) if inner else {requirement}
    return found


def _environment() -> list[str]:
    """The lines of the dependencies list; the file is kept so simple that it needs no YAML reader."""
    lines = (ROOT / "environment.yml").read_text().splitlines()
    start = lines.index("dependencies:")
    return [line.strip().removeprefix("- ") for line in lines[start + 1 :] if line.strip()]


def test_conda_environment_asks_for_what_the_site_extra_asks_for():
    wanted = set()
    for requirement in _required("site"):
        name, version = re.fullmatch(r"([\w-]+)(.*)", requirement).groups()
        wanted.add(CONDA_NAMES.get(name, name) + version)
    assert wanted <= set(_environment())


def test_conda_environment_has_the_python_that_the_package_needs():
    assert f"python{_pyproject()['project']['requires-python']}" in _environment()


def test_conda_environment_installs_the_package():
    assert "--editable .[site]" in _environment()


def test_the_engine_alone_needs_no_other_package():
    assert _pyproject()["project"]["dependencies"] == []


def test_the_citation_is_of_this_version():
    assert f"\nversion: {labkit.__version__}\n" in (ROOT / "CITATION.cff").read_text()
