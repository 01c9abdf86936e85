"""Pictures made with matplotlib, in one style: legible, labelled, safe for the colour-blind."""

from ovr_digits.matplot import import_matplotlib

import_matplotlib()  # before a module of this folder asks for parts of it
