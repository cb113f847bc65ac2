"""Whether somebody sits in front of this notebook."""

from IPython.core.getipython import get_ipython


def attended() -> bool:
    """Whether the running cell was sent by a front-end that could answer a question, as JupyterLab and not papermill.

    Only such a one shows widgets. Source: Jupyter's messaging protocol, execute_request, allow_stdin.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return False
    return bool(kernel.get_parent().get("content", {}).get("allow_stdin", False))
