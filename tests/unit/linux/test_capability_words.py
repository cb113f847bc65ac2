from labkit.linux.capabilities import NUMBERS
from labkit.linux.capability_words import WHOLE_HOST, WORDS
from labkit.spec import default


def test_every_capability_has_its_words_in_the_order_of_the_numbers():
    assert list(WORDS) == list(NUMBERS)
    assert all(does and does[0].islower() and not does.endswith(".") for does, _ in WORDS.values())


def test_no_container_has_by_default_what_is_worth_the_host():
    assert not set(WHOLE_HOST) & set(default.CAPABILITIES)
    assert all(WORDS[name][1] for name in WHOLE_HOST)
