"""What a user would pick instead of wgrad, with the settings that scikit-learn and statsmodels have
for it: the rivals of `defaults.py`."""

import warnings

import numpy as np
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import log_loss
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

warnings.filterwarnings("ignore")

# A column of words with more of them is a text or a name.
MOST_CATEGORIES = 20
# Whole numbers with more values are no classes.
MOST_CLASSES = 10


def is_numeric(frame, target):
    """Whether a target is a number to predict: a fraction, or a count with many values."""
    if isinstance(target, list):
        return True
    return frame[target].dtype.kind == "f" or frame[target].dtype.kind in "iu" and frame[target].nunique() > MOST_CLASSES


def encoder(features):
    """The usual preparation: medians and scales for numbers, one-hot categories."""
    words = [c for c in features if features[c].dtype.kind not in "biuf"]
    kept = [c for c in words if features[c].nunique() <= MOST_CATEGORIES]
    numbers = [c for c in features if c not in words]
    return make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), kept),
    )


def tables(train, test, target):
    """By rival: the scores on the test rows, `log_loss` and `error` (the share of wrong classes), or
    `rmse` (the root of the mean square over all targets)."""
    columns = target if isinstance(target, list) else [target]
    x, x_test = train.drop(columns=columns), test.drop(columns=columns)
    y, y_test = train[target], test[target]
    numeric = is_numeric(train, target)
    if numeric:
        boosted = HistGradientBoostingRegressor(random_state=0)
        rivals = {
            "ridge": RidgeCV(np.logspace(-3, 3, 13)),
            "MLP": MLPRegressor(random_state=0),
            "boosting": MultiOutputRegressor(boosted) if isinstance(target, list) else boosted,
        }
    else:
        rivals = {
            "logistic": LogisticRegression(max_iter=2000),
            "MLP": MLPClassifier(random_state=0),
            "boosting": HistGradientBoostingClassifier(random_state=0),
        }
    scores = {}
    for name, rival in rivals.items():
        # A network is trained on standardised targets, as every manual says.
        mean, scale = (y.mean(), y.std(ddof=0)) if numeric else (0, 1)
        made = make_pipeline(encoder(x), rival).fit(x, (y - mean) / scale if numeric else y.astype(str))
        if numeric:
            errors = made.predict(x_test) * np.asarray(scale) + np.asarray(mean) - y_test.to_numpy()
            scores[name] = {"rmse": float(np.sqrt(np.mean(np.square(errors))))}
        else:
            truth, classes = y_test.astype(str), made.classes_
            p = made.predict_proba(x_test)
            wrong = np.mean(np.asarray(classes)[p.argmax(1)] != truth.to_numpy())
            scores[name] = {"log_loss": float(log_loss(truth, p, labels=classes)), "error": float(wrong)}
    return scores


def series(values, first, season):
    """By rival: the mean absolute error of forecasts one row ahead, of the rows from `first` on. The
    settings of exponential smoothing are learned on the rows before."""
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    values = np.asarray(values, float)
    mae = lambda forecast: {"mae": float(np.mean(np.abs(forecast - values[first:])))}
    found = {"persistence": mae(values[first - 1 : -1])}
    if season and season < first:
        found["seasonal naive"] = mae(values[first - season : len(values) - season])
    # A season of hundreds of rows takes minutes to fit.
    seasonal = season if season and 2 * season <= first and season <= 60 else None
    options = {"trend": "add", "seasonal": "add" if seasonal else None, "seasonal_periods": seasonal}
    fitted = ExponentialSmoothing(values[:first], initialization_method="estimated", **options).fit()
    p = fitted.params
    known = {"smoothing_level": p["smoothing_level"], "smoothing_trend": p["smoothing_trend"]}
    if seasonal:
        known["smoothing_seasonal"] = p["smoothing_seasonal"]
    states = {"initial_level": p["initial_level"], "initial_trend": p["initial_trend"]}
    if seasonal:
        states["initial_seasonal"] = p["initial_seasons"]
    whole = ExponentialSmoothing(values, initialization_method="known", **options, **states)
    found["smoothing"] = mae(whole.fit(optimized=False, **known).fittedvalues[first:])
    return found


def short(train, test):
    """By rival: the share of wrong classes of short series."""
    (x, y), (x_test, y_test) = [(samples.reshape(len(samples), -1), labels) for samples, labels in (train, test)]
    rivals = {
        "1-NN": KNeighborsClassifier(1),
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        "MLP": make_pipeline(StandardScaler(), MLPClassifier(random_state=0)),
    }
    return {name: {"error": float(np.mean(r.fit(x, y).predict(x_test) != y_test))} for name, r in rivals.items()}
