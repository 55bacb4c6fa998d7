"""The tasks of this checkout; an installed package holds the folder itself here."""

from tasks import *
from tasks import __all__ as __all__
