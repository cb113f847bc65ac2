import pytest

from labkit.engine.image_defaults import completed


class Image:
    def __init__(self, **said):
        self.said = said

    def defaults(self):
        return self.said


WHOLE = {"args": ["/e", "c"], "env": {"A": "image", "B": "image"}, "cwd": "/w", "user": "7"}


def test_what_an_image_says_is_used_where_nothing_else_is_given():
    args, options = completed(Image(**WHOLE), None, {"user": None})
    assert args == ("/e", "c")
    assert options == {"env": {"A": "image", "B": "image"}, "cwd": "/w", "user": "7"}


def test_what_is_given_comes_first_and_variables_are_added():
    asked = {"env": {"A": "given"}, "cwd": "/", "user": 0}
    args, options = completed(Image(**WHOLE), ["/x"], asked)
    assert args == ("/x",)
    assert options == {"env": {"A": "given", "B": "image"}, "cwd": "/", "user": 0}
    assert asked == {"env": {"A": "given"}, "cwd": "/", "user": 0}


@pytest.mark.parametrize("rootfs", ["/folder", Image()])
def test_a_folder_and_an_image_that_says_nothing_change_nothing(rootfs):
    assert completed(rootfs, ("/x",), {"cwd": "/"}) == (("/x",), {"cwd": "/"})
    assert completed(rootfs, None, {}) == ((), {})


@pytest.mark.parametrize("text", ["sh -c true", ""])
def test_a_command_that_is_one_string_stays_one(text):
    assert completed("/folder", text, {})[0] == (text or ())
