"""The site: `python -m sphinx -W -n docs docs/_build`, after `pip install ".[docs]"`."""

import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent / "_ext"), str(Path(__file__).parents[1])]
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jpegjax  # noqa: E402

project = "jpegjax"
author = "The jpegjax authors"
copyright = "2026, The jpegjax authors"
version = release = jpegjax.__version__

extensions = [
    "myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "docstrings", "command_line",
]  # fmt: skip
exclude_patterns = ["_build"]
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!jpegjax\.).*"), ("py:class", r"jpegjax\.\w+\..*")]
"""Types in signatures, of other libraries and from inside, have no page here; whatever a page names as jpegjax.… has to."""

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["epub.unknown_project_files"]

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
add_module_names = False
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 80
python_trailing_comma_in_multi_line_signatures = False

smartquotes = False
html_theme = "furo"
html_title = "jpegjax"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
pygments_style = "friendly"
pygments_dark_style = "github-dark"
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#0b6e69",
        "color-brand-content": "#0b6e69",
        "color-brand-visited": "#0b6e69",
        "font-stack": "Inter, 'Source Sans 3', 'Segoe UI', 'Noto Sans', Ubuntu, Roboto, Helvetica, Arial, sans-serif",
        "font-stack--monospace": "'JetBrains Mono', 'SFMono-Regular', Menlo, Consolas, 'DejaVu Sans Mono', monospace",
    },
    "dark_css_variables": {
        "color-brand-primary": "#5cc8be",
        "color-brand-content": "#5cc8be",
        "color-brand-visited": "#5cc8be",
    },
}
