import math
import random

import pytest

from labkit.bench.sizing import half_width, needed


def test_ratios_that_do_not_vary_need_no_more_blocks():
    assert needed([1.2, 1.2, 1.2], 0.05) == 0
    assert half_width([1.2, 1.2, 1.2]) == 0


def test_one_ratio_says_nothing_of_the_spread():
    assert needed([1.3], 0.05) == 0
    assert half_width([1.3]) == math.inf


def test_the_number_is_that_of_the_formula():
    # The logarithms' standard deviation is exactly 0.1: π/2 (1.96 · 0.1 / ln 1.05)² = 25.3.
    step = 0.1 / math.sqrt(2)
    assert needed([math.exp(-step), math.exp(step)], 0.05) == 26


def test_ratios_and_their_inverses_need_the_same():
    ratios = [1.1, 1.3, 0.9, 1.2]
    assert needed(ratios, 0.05) == needed([1 / ratio for ratio in ratios], 0.05)


@pytest.mark.parametrize("target", [0.01, 0.02, 0.04])
def test_as_many_blocks_as_needed_have_an_interval_of_the_target(target):
    draw = random.Random(4)
    pilot = [draw.lognormvariate(0, 0.08) for _ in range(200)]
    count = needed(pilot, target)
    # The same spread with that number of blocks.
    assert half_width(pilot) * math.sqrt(len(pilot) / count) == pytest.approx(target, rel=0.15)


def test_a_wider_target_and_a_lower_level_need_less():
    pilot = [1.0, 1.1, 0.95, 1.07]
    assert needed(pilot, 0.1) < needed(pilot, 0.05)
    assert needed(pilot, 0.05, level=0.8) < needed(pilot, 0.05)
