"""Train ten detectors of your own, on the digits inside scikit-learn."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from ovr_digits import OneVsRestDigits, PatchKernelFeatures, save_models

X, y = load_digits(return_X_y=True)  # 8×8 pixels, 0 to 16
X = np.kron(X.reshape(-1, 8, 8), np.ones((3, 3)))  # 24×24, and a margin of 2
X = np.pad(X * 255 / 16, ((0, 0), (2, 2), (2, 2))).astype(np.uint8).reshape(-1, 784)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

features = PatchKernelFeatures(n_anchors=(16, 64), random_state=0)
model = OneVsRestDigits(features, random_state=0).fit(X_train, y_train)
print("more than 98 % are right:", model.score(X_test, y_test) > 0.98)
save_models(model.detectors_, "my_models.pkl")  # predict(picture, models="my_models.pkl")

# Prints:
# more than 98 % are right: True
