"""The flows of this checkout; an installed package holds the folder itself here."""

from typing import TYPE_CHECKING

from openrouter_video.checkout import become_folder

if TYPE_CHECKING:
    from flows import *
    from flows import __all__ as __all__

become_folder(__name__)
