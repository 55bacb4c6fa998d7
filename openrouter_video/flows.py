"""The flows of this checkout; an installed package holds the folder itself here."""

from flows import *
from flows import __all__ as __all__
