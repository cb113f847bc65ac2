"""The site's configuration: executed notebooks and a few written pages, with nothing loaded from a network.

`labkit site` copies this folder aside, adds the front page, the chapters and the data, and builds the copy.
"""

from labkit import __version__

project = "labkit"
author = "The labkit authors"
copyright = "The labkit authors. Apache-2.0"
release = __version__

extensions = ["myst_nb"]
html_theme = "sphinx_book_theme"
html_title = "labkit"
html_static_path = ["_static"]
html_css_files = ["labkit.css"]
html_theme_options = {
    "use_download_button": True,
    "use_fullscreen_button": False,
    "show_toc_level": 2,
    "home_page_in_toc": True,
    "navbar_persistent": [],  # the side bar has the search field already
}
html_show_sourcelink = False
html_copy_source = True

# Notebooks come executed; a page that runs code while it is rendered would not be what was measured.
nb_execution_mode = "off"
nb_merge_streams = True
nb_ipywidgets_js = {}  # from a network otherwise; no output of ours is a widget
myst_enable_extensions = ["colon_fence", "deflist"]
exclude_patterns = ["_build"]
