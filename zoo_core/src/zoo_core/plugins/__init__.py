"""Discovery: which plugins are installed, which are healthy, and what they offer.

This guards against faults, not malice: a plugin that raises, hangs or exits is found out in a child process and shown
as one row with its reason, but an installed package runs with the user's rights, like every Python package.
"""

from zoo_core.plugins.discovery import discover, load_zoo
from zoo_core.plugins.zoo import Offer, PluginRow, Zoo

__all__ = ["Offer", "PluginRow", "Zoo", "discover", "load_zoo"]
