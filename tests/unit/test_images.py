"""Which images are made when images or groups are named."""

from __future__ import annotations

from collections import Counter

import pytest

from sandbox.images.table import IMAGES, chosen


def test_no_image_stands_in_the_table_twice():
    """
    An image is made once, so it is named once.
    """
    assert {1} == set(Counter(image.name for image in IMAGES).values())


def test_control_is_made_when_nothing_is_named():
    """
    Who asks for no image gets what every run needs, and does not wait for a whole cloud's images.
    """
    assert ["memcached", "rabbitmq", "mariadb-server", "keystone"] == [image.name for image in chosen()]


def test_groups_and_images_are_named_side_by_side():
    """
    An image named beside its group, or twice, is still made once.
    """
    names = [image.name for image in chosen(["compute", "nova-api", "memcached", "memcached"])]

    assert {image.name for image in IMAGES if image.group == "compute"} | {"memcached"} == set(names)
    assert len(set(names)) == len(names)


def test_unknown_name_is_refused():
    """
    A slip of the pen does not pass for "nothing is missing".
    """
    with pytest.raises(RuntimeError) as refused:
        chosen(["compute", "nova-apy"])

    assert 'no image or group is called "nova-apy"; the groups are compute, control, ovs' == str(refused.value)
