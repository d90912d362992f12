"""What the site needs beyond mkdocs: fenced `math` blocks become MathML when the page is built.

Code hosts draw the same blocks themselves, browsers draw MathML, and neither needs a script from elsewhere.
"""

from __future__ import annotations

from typing import Any

from latex2mathml.converter import convert


def on_config(config: Any) -> Any:
    """Teach the Markdown extension for fences about `math`."""
    fences = config.mdx_configs.setdefault("pymdownx.superfences", {}).setdefault("custom_fences", [])
    fences.append({"name": "math", "class": "math", "format": equations})
    return config


def equations(source: str, language: str, css_class: str, options: Any, md: Any, **_: Any) -> str:
    r"""One or more lines of LaTeX, an `aligned` environment among them, as one block of MathML."""
    return f'<div class="{css_class}">{convert(source.strip(), display="block")}</div>'
