from labkit.linux.tracefs import records


def page(*events, size=4096):
    data = b"".join(events)
    return ((7).to_bytes(8, "little") + len(data).to_bytes(8, "little") + data).ljust(size, b"\xff")


def event(content):
    assert len(content) % 4 == 0
    return (len(content) // 4 | 123 << 5).to_bytes(4, "little") + content


def long(content):
    return (0).to_bytes(4, "little") + (len(content) + 4).to_bytes(4, "little") + content


def test_events_are_found_one_after_the_other():
    assert list(records(page(event(b"abcd"), event(b"12345678")))) == [b"abcd", b"12345678"]


def test_times_between_them_are_passed_over():
    extend, stamp = (bytes([kind]) + bytes(7) for kind in (30, 31))
    assert list(records(page(extend, event(b"abcd"), stamp, event(b"efgh")))) == [b"abcd", b"efgh"]


def test_an_event_that_was_discarded_is_passed_over():
    padding = (29 | 1 << 5).to_bytes(4, "little") + (8).to_bytes(4, "little") + bytes(4)
    assert list(records(page(event(b"abcd"), padding[:12], event(b"efgh")))) == [b"abcd", b"efgh"]


def test_padding_without_a_time_ends_the_page():
    assert list(records(page(event(b"abcd"), (29).to_bytes(4, "little") + bytes(20)))) == [b"abcd"]


def test_a_long_event_has_its_length_in_a_word_of_its_own():
    content = bytes(range(200))
    assert list(records(page(long(content), event(b"abcd")))) == [content, b"abcd"]


def test_the_flags_above_the_length_are_no_part_of_it():
    whole = bytearray(page(event(b"abcd")))
    # RB_MISSED_EVENTS: the kernel says that events before this page were lost.
    whole[11] |= 0x80
    assert list(records(bytes(whole))) == [b"abcd"]


def test_an_empty_page_has_none():
    assert list(records(page())) == []
