# SPDX-License-Identifier: Apache-2.0
"""MP-100's table of contents: its 100 categories, the data sets their images are from, and the five splits.

MP-100 has annotations of its own and no images: these come from thirteen data sets, each under its terms.
"""

from __future__ import annotations

import re
from typing import NamedTuple

UNIFIED = "mp100_all.json"  # the file of all categories, beside those of the splits


class Entry(NamedTuple):
    """A category of MP-100."""

    name: str  # of its folder of images; "face" is that of 19 points, whose folder may have another name
    source: str  # data set


# Ids and folder names by data set.
_CATEGORIES = {
    "Keypoint-5": "39:swivelchair 45:chair 49:sofa 84:bed 98:table",
    "CarFusion": "32:car 38:bus 51:suv",
    "DeepFashion2": (
        "1:skirt 8:sling_dress 11:vest_dress 17:sling 25:short_sleeved_shirt 60:short_sleeved_dress "
        "62:vest 64:long_sleeved_dress 67:trousers 75:shorts 78:long_sleeved_outwear "
        "83:short_sleeved_outwear 97:long_sleeved_shirt"
    ),
    "AnimalWeb": (
        "4:fennecfox_face 7:chipmunk_face 10:klipspringer_face 12:przewalskihorse_face "
        "13:californiansealion_face 19:arcticwolf_face 22:guanaco_face 23:fallowdeer_face "
        "24:dassie_face 34:greyseal_face 36:quokka_face 37:camel_face 47:alpaca_face "
        "48:goldenretriever_face 56:onager_face 57:bonobo_face 61:gibbons_face 63:ferret_face "
        "65:pademelon_face 69:olivebaboon_face 74:germanshepherddog_face 77:commonwarthog_face "
        "79:grizzlybear_face 81:bighornsheep_face 82:capebuffalo_face 89:proboscismonkey_face "
        "93:gerbil_face 94:blackbuck_face 96:gentoopenguin_face 99:capybara_face"
    ),
    "CUB-200-2011": (
        "14:woodpecker_body 16:wren_body 28:gull_body 41:kingfisher_body 46:sparrow_body 53:tern_body "
        "59:grebe_body 86:warbler_body"
    ),
    "AP-10K": (
        "2:horse_body 3:dog_body 5:panda_body 6:hamster_body 9:panther_body 15:pig_body 20:cat_body "
        "21:bobcat_body 26:elephant_body 27:deer_body 29:rabbit_body 30:bison_body 31:rhino_body "
        "33:squirrel_body 35:gorilla_body 42:sheep_body 43:spider_monkey_body 50:otter_body "
        "52:leopard_body 54:hippo_body 55:zebra_body 58:antelope_body 68:fox_body 70:skunk_body "
        "71:giraffe_body 73:lion_body 76:polar_bear_body 85:cheetah_body 87:cow_body 88:rat_body "
        "90:raccoon_body 91:beaver_body 95:weasel_body 100:wolf_body"
    ),
    "COCO": "72:human_body",
    "AFLW": "18:face",
    "300-W": "40:human_face",
    "OneHand10K": "80:human_hand",
    "MacaquePose": "92:macaque_body",
    "Vinegar Fly": "66:fly_body",
    "Desert Locust": "44:locust_body",
}
CATEGORIES = {
    int(number): Entry(name, source)
    for source, listed in _CATEGORIES.items()
    for number, name in (part.split(":") for part in listed.split())
}

# Validation and test categories of splits 1 to 5, in the order of the episodes; the other 70 train.
_VAL = (
    (48, 22, 12, 91, 96, 6, 35, 95, 66, 92),
    (36, 93, 57, 50, 95, 27, 53, 78, 11, 1),
    (19, 82, 91, 33, 21, 70, 26, 30, 39, 84),
    (56, 12, 51, 6, 73, 100, 26, 18, 1, 25),
    (9, 77, 52, 50, 31, 2, 41, 14, 53, 17),
)
_TEST = (
    (10, 77, 24, 47, 33, 29, 70, 68, 81, 73, 2, 14, 30, 53, 42, 3, 39, 84, 78, 60),
    (37, 48, 89, 79, 82, 99, 91, 76, 71, 43, 28, 86, 98, 17, 45, 8, 62, 97, 67, 25),
    (22, 69, 12, 9, 34, 52, 96, 85, 90, 63, 100, 31, 87, 54, 16, 44, 66, 49, 11, 72),
    (65, 23, 13, 94, 4, 7, 38, 35, 50, 88, 95, 41, 15, 27, 55, 20, 83, 40, 80, 92),
    (36, 56, 74, 19, 93, 61, 57, 51, 21, 6, 5, 59, 32, 26, 58, 46, 64, 18, 1, 75),
)


def split_categories(name: str) -> tuple[int, ...] | None:
    """Ids of "split3_test" or "mp100_split3_test", in order; None for a name that is none of the fifteen."""
    found = re.fullmatch(r"(?:mp100_)?split([1-5])_(train|val|test)", name)
    if found is None:
        return None
    number, part = int(found[1]) - 1, found[2]
    held = {"val": _VAL[number], "test": _TEST[number]}
    if part in held:
        return held[part]
    return tuple(each for each in sorted(CATEGORIES) if each not in (*held["val"], *held["test"]))
