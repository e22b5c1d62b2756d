"""Reading pictures: all headers before the first step, and what to do about broken files."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from keras_retinanet.preprocessing.header_cache import HeaderCache
from keras_retinanet.preprocessing.hooks import DatasetHooks
from keras_retinanet.preprocessing.samples import AnnotationWarning
from keras_retinanet.utils.image import ImageError, check_image
from keras_retinanet.utils.image_channels import check_image_channels

CHECK_THREADS = 8  # they mostly wait for the disk
CACHED_FROM = 500  # pictures; fewer headers are read as fast as a cache
SHOWN = 3  # broken pictures that a message names


def check_files(paths, max_pixels, exif=True, header=None):
    """Read the header of every file.

    Args:
        paths, max_pixels, exif: of `check_image`.
        header: f(path, max_pixels, exif=…) -> (height, width) in place of `check_image`.

    Returns:
        (sizes [pictures, 2] int64 of (height, width), 0 where broken;
         broken: {index: message}).
    """
    header = header or check_image

    def check(path):
        try:
            return header(path, max_pixels, exif=exif), None
        except ImageError as error:
            return (0, 0), str(error)

    with ThreadPoolExecutor(CHECK_THREADS) as pool:
        found = list(pool.map(check, paths))
    sizes = np.array([size for size, _ in found], np.int64).reshape(-1, 2)
    return sizes, {index: fault for index, (_, fault) in enumerate(found) if fault}


def check_files_once(paths, max_pixels, exif=True):
    """Do as `check_files`, reading only the headers that no cache of an earlier run has."""
    if len(paths) < CACHED_FROM:
        return check_files(paths, max_pixels, exif)
    cache = HeaderCache(paths, exif)
    sizes = cache.sizes()
    area = sizes.prod(axis=1)
    unknown = np.flatnonzero((area == 0) | (area > max_pixels))
    if not len(unknown):
        return sizes, {}
    sizes[unknown], faults = check_files([paths[index] for index in unknown], max_pixels, exif)
    if sizes[unknown].any():
        cache.keep(sizes)
    return sizes, {int(unknown[place]): fault for place, fault in faults.items()}


def _check_channels(channels, path, max_pixels, exif):
    return check_image_channels(path, channels, max_pixels, exif)


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
    pictures_needed = True  # whether a file that does not exist is broken

    def check_pictures(self):
        """Read all headers into `image_sizes`, if the pictures are files.

        Raises:
            ImageError: naming the broken ones, unless they are skipped and others are left.
        """
        if type(self).load_image is not DatasetHooks.load_image:
            return
        total = self.size()
        paths = [self.image_path(index) for index in range(total)]
        if self.channels is None:
            self.image_sizes, broken = check_files_once(paths, self.max_pixels, self.exif)
        else:
            header = partial(_check_channels, self.channels)
            self.image_sizes, broken = check_files(paths, self.max_pixels, self.exif, header)
        if not self.pictures_needed:
            broken = self._with_stated_sizes(paths, broken)
        if not broken or self.as_found:
            self.broken = broken
            return
        named = list(broken.items())[:SHOWN]
        placed = {index: self.place_of(index) + message for index, message in named}
        line = describe_broken({**broken, **placed}.values(), total)
        if not self.skip_broken or len(broken) == total:
            raise ImageError(line)
        warnings.warn(
            f"{len(broken)} pictures are left out: {line}", AnnotationWarning, stacklevel=4
        )
        self.leave_out(broken)

    def stated_sizes(self):
        """Return the sizes [pictures, 2] that the annotations state, 0 for none; None for none."""

    def _with_stated_sizes(self, paths, broken):
        """Take files that do not exist to be as large as is stated; return the others of `broken`.

        Args:
            paths: of all pictures.
            broken: {index: message}.
        """
        stated = self.stated_sizes()
        absent = [index for index in broken if not Path(paths[index]).exists()]
        if stated is None or not absent or not stated[absent].all():
            return broken
        self.image_sizes[absent] = stated[absent]
        warnings.warn(
            f"{len(absent)} of {len(paths)} pictures are not there; their sizes are taken from "
            "the annotations",
            AnnotationWarning,
            stacklevel=5,
        )
        gone = set(absent)
        return {index: message for index, message in broken.items() if index not in gone}

    def leave_out(self, broken):
        """Never use the pictures of `broken`, {index: message}, again."""
        names = [self.image_name(index) for index in broken]
        self.skipped = [*self.skipped, *(name for name in names if name not in self.skipped)]
        self.broken = {**self.broken, **broken}

    def load_image_group(self, group):
        """Return the pictures of a group."""
        return [self.load_named(index) for index in group]

    def load_usable_group(self, group, load=None):
        """Return (group, pictures); with `skip_broken`, others take the place of broken ones.

        Args:
            group: indices.
            load: f(group) -> pictures in place of `load_image_group`.

        Raises:
            ImageError: names the broken picture.
        """
        while True:
            group = self._without_broken(group)
            try:
                return group, (load or self.load_image_group)(group)
            except ImageError:
                found = self._find_broken(group) if self.skip_broken else {}
                if not found:
                    raise
                self.leave_out(found)

    def load_named(self, index, read=None):
        """Return read(index), or load_image(index); what goes wrong names the picture."""
        try:
            return (read or self.load_image)(index)
        except OSError as error:
            raise ImageError(
                f"{self.image_name(index)}: cannot be read ({error}). Replace the file"
            ) from error

    def _find_broken(self, group):
        found = {}
        for index in group:
            try:
                self.load_named(index)
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
