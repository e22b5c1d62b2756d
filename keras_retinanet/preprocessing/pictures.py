"""Reading pictures: all headers before the first step, and what to do about broken files."""

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keras_retinanet.preprocessing.hooks import DatasetHooks
from keras_retinanet.preprocessing.samples import AnnotationWarning
from keras_retinanet.utils.image import ImageError, check_image

CHECK_THREADS = 8  # they mostly wait for the disk
SHOWN = 3  # broken pictures that a message names


def check_files(paths, max_pixels, exif=True):
    """Read the header of every file.

    Returns:
        (sizes [pictures, 2] int64 of (height, width), 0 where broken;
         broken: {index: message}).
    """

    def check(path):
        try:
            return check_image(path, max_pixels, exif=exif), None
        except ImageError as error:
            return (0, 0), str(error)

    with ThreadPoolExecutor(CHECK_THREADS) as pool:
        found = list(pool.map(check, paths))
    sizes = np.array([size for size, _ in found], np.int64).reshape(-1, 2)
    return sizes, {index: fault for index, (_, fault) in enumerate(found) if fault}


def describe_broken(messages, total):
    """Return one line that names the first broken pictures of `total` and counts them all."""
    messages = list(messages)
    if len(messages) == 1:
        return messages[0]
    more = f"; and {len(messages) - SHOWN} more" if len(messages) > SHOWN else ""
    return (
        f"{len(messages)} of {total} pictures cannot be used: {'; '.join(messages[:SHOWN])}{more}"
    )


class Pictures(DatasetHooks):
    """Loads groups of pictures and keeps the list of the broken ones."""

    skip_broken = False
    broken = {}  # {index: message}; replaced, never changed
    skipped = ()  # files left out
    as_found = False  # whether broken pictures neither end it nor leave the dataset

    def check_pictures(self):
        """Read all headers into `image_sizes`, if the pictures are files.

        Raises:
            ImageError: naming the broken ones, unless they are skipped and others are left.
        """
        if type(self).load_image is not DatasetHooks.load_image:
            return
        total = self.size()
        paths = [self.image_path(index) for index in range(total)]
        self.image_sizes, broken = check_files(paths, self.max_pixels, self.exif)
        if not broken or self.as_found:
            self.broken = broken
            return
        line = describe_broken(broken.values(), total)
        if not self.skip_broken or len(broken) == total:
            raise ImageError(line)
        warnings.warn(
            f"{len(broken)} pictures are left out: {line}", AnnotationWarning, stacklevel=4
        )
        self.leave_out(broken)

    def leave_out(self, broken):
        """Never use the pictures of `broken`, {index: message}, again."""
        names = [self.image_name(index) for index in broken]
        self.skipped = [*self.skipped, *(name for name in names if name not in self.skipped)]
        self.broken = {**self.broken, **broken}

    def load_image_group(self, group):
        """Return the pictures of a group."""
        return [self._load_named(index) for index in group]

    def load_usable_group(self, group):
        """Return (group, pictures); with `skip_broken`, others take the place of broken ones.

        Raises:
            ImageError: names the broken picture.
        """
        while True:
            group = self._without_broken(group)
            try:
                return group, self.load_image_group(group)
            except ImageError:
                found = self._find_broken(group) if self.skip_broken else {}
                if not found:
                    raise
                self.leave_out(found)

    def _load_named(self, index):
        try:
            return self.load_image(index)
        except OSError as error:
            raise ImageError(
                f"{self.image_name(index)}: cannot be read ({error}). Replace the file"
            ) from error

    def _find_broken(self, group):
        found = {}
        for index in group:
            try:
                self._load_named(index)
            except ImageError as error:
                found[index] = str(error)
        return found

    def _without_broken(self, group):
        """Return a group of the same length whose pictures are not known to be broken."""
        if self.broken.keys().isdisjoint(group):
            return group
        usable = [index for index in group if index not in self.broken] or [
            index for index in range(self.size()) if index not in self.broken
        ]
        if not usable:
            raise ImageError(describe_broken(self.broken.values(), self.size()))
        return [usable[place % len(usable)] for place in range(len(group))]
