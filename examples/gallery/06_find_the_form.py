"""See a picture as the detectors see it: 28×28 grey levels, light ink on dark ground."""

from pathlib import Path

from ovr_digits import find_form

PICTURE = Path(__file__).parent / "../two.png"

form = find_form(PICTURE)
print(form.shape, form.dtype, form.max())
for row in form[4:24:2]:
    print("".join(" .:*#"[level // 52] for level in row).rstrip())

# Prints:
# (28, 28) uint8 255
#          :#####*###
#        :#*       .##.
#       :#:         *#:
#                   ##
#                 .#*
#               :##*
#            :##*
#          *#*
#       .*#######*:::*###
#       :*..    .:***.
