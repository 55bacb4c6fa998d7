"""The blocks of this checkout; an installed package holds the folder itself here."""

from blocks import *
from blocks import __all__ as __all__
