import pytest

from labkit.engine.hint import explain_clone_error
from labkit.errors import LabkitError


@pytest.mark.parametrize("number", [1, 28, 87])
def test_a_refused_user_namespace_is_explained_by_its_sysctls(number):
    error = explain_clone_error(OSError(number, "no"), rootless=True)
    assert isinstance(error, LabkitError)
    assert "user namespace" in error.message
    assert "max_user_namespaces" in error.hint
