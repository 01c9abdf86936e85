"""Convolutional networks in Keras: that of the usual apps, and one as they are built today."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from benchmarks.peers.base import Peer
from ovr_digits.core.distortion import MEDIUM, apply_distortions, draw_distortions

_LOSS = "sparse_categorical_crossentropy"


class Network(Peer):
    """A Keras model, ``self.model``, that ends in a softmax of ten."""

    def fit(self, X: Any, y: Any, cores: int) -> None:
        """Learn; TensorFlow takes all cores that the process may use."""
        keras.utils.set_random_seed(0)
        self.learn(_prepare(X), y)

    @abstractmethod
    def learn(self, images: Any, y: Any) -> None:
        """Set ``self.model``, learnt from images (n, 28, 28, 1) in 0..1."""

    def save(self, folder: Path) -> None:
        """Keras's own format."""
        self.model.save(folder / "model.keras")

    def load(self, folder: Path) -> None:
        """Read Keras's own format."""
        self.model = keras.saving.load_model(folder / "model.keras")

    def predict(self, X: Any) -> Any:
        """The likeliest digit."""
        return self.read(X)[0]

    def read(self, X: Any) -> tuple[Any, Any]:
        """The likeliest digit (n,) of images (n, 784), and the softmax of it (n,)."""
        outputs = self.model.predict(_prepare(X), batch_size=256, verbose=0)
        return outputs.argmax(axis=1), outputs.max(axis=1)


class CNN(Network):
    """Ten epochs on 70 % of the images, then ten on all of them, turned, shifted and zoomed."""

    def learn(self, images: Any, y: Any) -> None:
        """Adam on batches of 60."""
        batch, epochs = 60, 2 if self.quick else 10
        first = np.random.default_rng(0).permutation(len(y))[: round(0.7 * len(y))]
        self.model = keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                layers.Conv2D(64, 2, padding="same", activation="relu"),
                layers.MaxPooling2D(2),
                layers.Dropout(0.3),
                layers.Conv2D(32, 2, padding="same", activation="relu"),
                layers.MaxPooling2D(2),
                layers.Dropout(0.3),
                layers.Flatten(),
                layers.Dense(256, activation="relu"),
                layers.Dropout(0.5),
                layers.Dense(10, activation="softmax"),
            ]
        )
        self.model.compile("adam", _LOSS)
        self.model.fit(images[first], y[first], batch_size=batch, epochs=epochs, verbose=0)

        distort = keras.Sequential(
            [
                layers.RandomRotation(10 / 360, fill_mode="nearest"),
                layers.RandomTranslation(0.1, 0.1, fill_mode="nearest"),
                layers.RandomZoom(0.1, 0.1, fill_mode="nearest"),
            ]
        )
        batches = (
            tf.data.Dataset.from_tensor_slices((images, y))
            .shuffle(len(images), seed=0)
            .batch(batch)
            .map(lambda a, b: (distort(a, training=True), b), num_parallel_calls=tf.data.AUTOTUNE)
            .prefetch(tf.data.AUTOTUNE)
        )
        self.model.fit(batches, epochs=epochs, verbose=0)


class Modern(Network):
    """Two blocks with batch normalisation, learnt from a distorted copy of all images an epoch."""

    def learn(self, images: Any, y: Any) -> None:
        """Adam on batches of 128, its rate rising and falling in one cycle."""
        batch, epochs = 128, 1 if self.quick else 7
        steps = epochs * -(-len(y) // batch)
        rate = keras.optimizers.schedules.CosineDecay(
            1e-4, round(0.75 * steps), warmup_target=3e-3, warmup_steps=round(0.25 * steps)
        )
        blocks = [layer for width in (32, 64) for layer in _block(width)]
        self.model = keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                *blocks,
                layers.Flatten(),
                layers.Dense(128, activation="relu"),
                layers.BatchNormalization(),
                layers.Dropout(0.3),
                layers.Dense(10, activation="softmax"),
            ]
        )
        self.model.compile(keras.optimizers.Adam(rate), _LOSS)
        rng = np.random.RandomState(0)
        copies = np.empty_like(images)
        for _ in range(epochs):
            for start in range(0, len(y), 1000):
                part = images[start : start + 1000, ..., 0]
                distortions = draw_distortions(len(part), MEDIUM, rng)
                copies[start : start + 1000, ..., 0] = apply_distortions(part, distortions)
            self.model.fit(copies, y, batch_size=batch, verbose=0)


def _block(width: int) -> list[Any]:
    """Convolutions 3×3, 3×3 and 5×5, the last of stride 2."""
    found: list[Any] = []
    for side, strides, padding in ((3, 1, "valid"), (3, 1, "valid"), (5, 2, "same")):
        found.append(layers.Conv2D(width, side, strides, padding, activation="relu"))
        found.append(layers.BatchNormalization())
    return [*found, layers.Dropout(0.3)]


def _prepare(X: Any) -> Any:
    return X.reshape(-1, 28, 28, 1).astype(np.float32) / np.float32(255)
