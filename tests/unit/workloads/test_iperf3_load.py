"""What asks a server again that has just closed its socket."""

import json
import os
import subprocess

import pytest

from labkit.workloads.iperf3 import WORKLOADS

REFUSED = json.dumps({"end": {}, "error": "unable to connect to server: Connection refused"})


@pytest.fixture
def load(tmp_path):
    """A function that runs the load with a stand-in for iperf3, which says one thing after the other."""

    def run(*says):
        for number, text in enumerate(says, 1):
            (tmp_path / f"say{number}").write_text(text)
        script = f'#!/bin/sh\necho run >>{tmp_path}/runs\ncat "{tmp_path}/say$(wc -l <{tmp_path}/runs)"\n'
        script += f'grep -q error "{tmp_path}/say$(wc -l <{tmp_path}/runs)" && exit 1\nexit 0\n'
        program = tmp_path / "iperf3"
        program.write_text(script)
        program.chmod(0o755)
        path = f"{tmp_path}:{os.environ['PATH']}"
        args = WORKLOADS[0].load("198.18.77.2", 0.5)
        done = subprocess.run(args, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, (tmp_path / "runs").read_text().count("run")

    return run


def test_a_server_that_is_not_back_yet_is_asked_again_and_only_the_answer_is_said(load):
    assert load(REFUSED, REFUSED, '{"end": {"a \\\\ b": 1}}') == (0, '{"end": {"a \\\\ b": 1}}\n', 3)


def test_another_error_is_an_answer(load):
    text = json.dumps({"end": {}, "error": "the server has terminated"})
    assert load(text) == (1, f"{text}\n", 1)


def test_a_server_that_does_not_come_back_is_given_up(load):
    assert load(*[REFUSED] * 9) == (1, f"{REFUSED}\n", 9)
