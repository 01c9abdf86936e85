"""A convolutional network in Keras, trained on plain, then on augmented images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from benchmarks.peers.base import Peer

_BATCH = 60


class CNN(Peer):
    """Ten epochs on 70 % of the images, then ten on all of them, turned, shifted and zoomed."""

    def fit(self, X: Any, y: Any, cores: int) -> None:
        """Adam on batches of 60."""
        tf.config.threading.set_intra_op_parallelism_threads(cores)
        keras.utils.set_random_seed(0)
        epochs = 2 if self.quick else 10
        images = _prepare(X)
        first = np.random.default_rng(0).permutation(len(X))[: round(0.7 * len(X))]
        self.model = _build()
        self.model.fit(images[first], y[first], batch_size=_BATCH, epochs=epochs, verbose=0)

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
            .batch(_BATCH)
            .map(lambda a, b: (distort(a, training=True), b), num_parallel_calls=cores)
            .prefetch(tf.data.AUTOTUNE)
        )
        self.model.fit(batches, epochs=epochs, verbose=0)

    def save(self, folder: Path) -> None:
        """Keras's own format."""
        self.model.save(folder / "model.keras")

    def load(self, folder: Path) -> None:
        """Read Keras's own format."""
        self.model = keras.saving.load_model(folder / "model.keras")

    def predict(self, X: Any) -> Any:
        """The likeliest digit."""
        return self.model.predict(_prepare(X), batch_size=256, verbose=0).argmax(axis=1)


def _build() -> Any:
    model = keras.Sequential(
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
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def _prepare(X: Any) -> Any:
    return X.reshape(-1, 28, 28, 1).astype(np.float32) / np.float32(255)
