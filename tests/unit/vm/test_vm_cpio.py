import stat

from labkit.vm import cpio


def test_an_archive_has_each_entry_with_its_mode_and_content(members):
    entries = [
        cpio.folder("bin"),
        cpio.folder("tmp", 0o1777),
        *(cpio.file(f"bin/{'x' * length}", bytes(length), 0o755) for length in range(1, 9)),
        cpio.link("bin/sh", "busybox"),
        cpio.pipe("tmp/pipe"),
    ]
    found = members(cpio.archive(entries))
    assert [*found] == [path for path, _, _ in entries]
    assert found["tmp"] == (stat.S_IFDIR | 0o1777, b"")
    assert found["bin/xxx"] == (stat.S_IFREG | 0o755, bytes(3))
    assert found["tmp/pipe"] == (stat.S_IFIFO | 0o600, b"")
    assert found["bin/sh"] == (stat.S_IFLNK | 0o777, b"busybox")


def test_no_two_entries_share_an_inode_number():
    """Else the kernel would make hard links of them."""
    archive = cpio.archive([cpio.file("a", b"1"), cpio.file("b", b"2")])
    first, second = archive.index(b"070701"), archive.index(b"070701", 6)
    assert archive[first + 6 : first + 14] != archive[second + 6 : second + 14]


def test_another_archive_can_follow():
    assert len(cpio.archive([cpio.file("a", b"x" * 700)])) % 512 == 0
