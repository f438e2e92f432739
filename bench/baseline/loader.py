# SPDX-License-Identifier: MIT
"""Download and decode, as the replaced service did both: everything at once on the event loop, decoding in the loop's
default thread pool, and the request goes on when its slowest image is there."""
import asyncio
import urllib.parse

import aiohttp
import cv2
import numpy as np
import yarl

from request_log import ImageTimes, now_us


class LoadFailure(Exception):
    """An image that cannot be had or read; it fails its whole request, as it did there."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def decode(data):
    """Encoded bytes -> ([H, W, 3] u8 RGB, microseconds). Runs in a pool thread; OpenCV releases the GIL."""
    began = now_us()
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if pixels is None:
        raise LoadFailure("image_corrupt", "OpenCV cannot decode it")
    pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return pixels, now_us() - began


class ImageLoader:
    """Loads the images of requests from an object store. Make it inside the event loop."""

    def __init__(self, store_url, timeout_s):
        self.store_url = store_url.rstrip("/") + "/" if store_url else ""
        # gcloud-aio's Storage downloads through one aiohttp session with aiohttp's own limit of 100 connections.
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s))

    async def close(self):
        await self.session.close()

    def url(self, name):
        """Of an image: an http(s) URL is itself, any other name is an object of the store."""
        if name.startswith(("http://", "https://")):
            return name
        if not self.store_url:
            raise LoadFailure("not_found", f"{name!r} is no URL and the server has no --store-url to look it up in")
        return self.store_url + urllib.parse.quote(name)

    async def download(self, name):
        try:
            async with self.session.get(yarl.URL(self.url(name), encoded=True)) as response:
                if response.status != 200:
                    raise LoadFailure("not_found" if response.status == 404 else "source_failed",
                                      f"{name}: the object store answered {response.status}")
                return await response.read()
        except asyncio.TimeoutError as error:
            raise LoadFailure("source_timeout", f"{name}: no whole reply within {self.session.timeout.total} s") from error
        except aiohttp.ClientError as error:
            raise LoadFailure("source_failed", f"{name}: {error}") from error

    async def load_one(self, name, times):
        try:
            began = now_us()
            data = await self.download(name)
            times.fetched(began, now_us(), len(data))
            submitted = now_us()
            pixels, decode_us = await asyncio.get_running_loop().run_in_executor(None, decode, data)
            times.decoded(submitted, now_us(), decode_us)
        except LoadFailure as failure:
            times.code = failure.code
            raise
        return pixels

    async def load(self, names, items):
        """[H, W, 3] u8 of every name, in order; appends one ImageTimes each to `items`. Errors: the first LoadFailure; the
        other images are loaded all the same, unseen."""
        items.extend(ImageTimes() for _ in names)
        return await asyncio.gather(*(self.load_one(name, times) for name, times in zip(names, items)))
