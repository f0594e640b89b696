"""The estimators under scikit-learn's own checks, and on data that those do not have."""

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from wellposed.bag import Bag
from wellposed.errors import BadInput
from wellposed.estimators import Estimator, WellposedClassifier, WellposedRegressor, choose_recipe, hold_out
from wellposed.inputs.dataset import Part, Texts
from wellposed.nets.bag_of_words import BagOfWords
from wellposed.nets.mlp import MLP
from wellposed.optimizers import SGD, Adam
from wellposed.presets import sound
from wellposed.recipe import Recipe
from wellposed.techniques import He, Standardize

SMALL = Recipe(
    net=MLP(widths=(16,)),
    optimizer=Adam(learning_rate=0.02),
    epochs=30,
    batch_size="all",
    techniques=(Standardize(), He()),
)
"""No draw of it depends on the rows."""
FAST: dict[str, Any] = {"members": 2, "epochs": 14, "random_state": 0}
EXACT: dict[str, Any] = {
    "recipe": SMALL, "members": 2, "dtype": "float64", "validation_share": 0, "random_state": 0,
}  # fmt: skip

EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "the held-out rows, the batches and dropout depend on how many "
    "rows there are, and float32 on their order; scikit-learn's own MLP is excepted, too (scikit-learn#30155)",
}
"""Checks that the float32 configurations fail; the float64 configurations pass all."""
UNSTEADY = {"check_methods_subset_invariance", "check_methods_sample_order_invariance"}
"""Checks to within 1e-7 of a regression's float64 answer, which float32 networks may miss: a matrix product rounds
differently for different numbers of rows, on some machines and not on others."""


def expected(estimator: Estimator) -> dict[str, str]:
    return EXPECTED if estimator.dtype == "float32" else {}


@parametrize_with_checks(
    [
        WellposedClassifier(**FAST),
        WellposedRegressor(**FAST),
        WellposedClassifier(**EXACT),
        WellposedRegressor(**EXACT),
    ],
    expected_failed_checks=expected,
)
def test_conventions(estimator: Estimator, check: Callable[[Estimator], None]) -> None:
    name = getattr(check, "func", check).__name__
    if name in UNSTEADY and estimator.dtype == "float32" and isinstance(estimator, WellposedRegressor):
        pytest.skip("float32; the float64 configuration is checked")
    check(estimator)


def small(**changed: Any) -> WellposedClassifier:
    return WellposedClassifier(**{"recipe": SMALL, "members": 2, "random_state": 0} | changed)


def number(**changed: Any) -> WellposedRegressor:
    return WellposedRegressor(**{"recipe": SMALL, "members": 2, "random_state": 0} | changed)


@pytest.fixture(scope="module")
def iris() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_iris(return_X_y=True)
    return X, y


def people(n: int, *, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows such as a census has: numbers, categories, truth values, dates, and holes in all of them."""
    draw = np.random.default_rng(seed)
    age = draw.integers(17, 80, n).astype(float)
    work = draw.choice(["office", "farm", "none"], n, p=[0.5, 0.3, 0.2])
    married = draw.random(n) < 0.5
    frame = pd.DataFrame({
        "age": np.where(draw.random(n) < 0.1, np.nan, age),
        "work": pd.Series(np.where(draw.random(n) < 0.1, None, work), dtype="category"),
        "town": draw.choice(["Ulm", "Rom"], n),
        "married": married,
        "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(draw.integers(0, 900, n), unit="D"),
    })  # fmt: skip
    rich = (work == "office") & (age > 35) | married & (age > 60)
    return frame, np.where(rich ^ (draw.random(n) < 0.03), ">50K", "<=50K")


# data


def test_digits_are_read() -> None:
    X, X_test, y, y_test = train_test_split(*load_digits(return_X_y=True), test_size=0.3, random_state=0)
    model = WellposedClassifier(members=3, epochs=12, random_state=0).fit(X, y)
    assert model.score(X_test, y_test) > 0.95
    assert model.predict_proba(X_test).sum(1) == pytest.approx(np.ones(len(X_test)), abs=1e-5)


def test_diabetes_is_explained_in_its_own_unit() -> None:
    X, X_test, y, y_test = train_test_split(
        *load_diabetes(return_X_y=True, as_frame=True), test_size=0.3, random_state=0
    )
    model = WellposedRegressor(members=3, epochs=30, random_state=0).fit(X, y)
    assert model.score(X_test, y_test) > 0.3
    assert 100 < model.predict(X_test).mean() < 200


def test_a_frame_of_all_kinds_with_missing_and_unseen_values() -> None:
    frame, y = people(600)
    model = small(recipe="sound", epochs=15).fit(frame, y)
    fresh, answers = people(300, seed=1)
    assert model.score(fresh, answers) > 0.85
    assert model.classes_.tolist() == ["<=50K", ">50K"]
    assert model.feature_names_in_.tolist() == list(frame.columns)
    fresh["work"] = pd.Series(np.where(np.arange(300) < 5, "sea", "farm"), dtype="category")
    fresh.loc[3, "since"] = pd.NaT
    assert np.isfinite(model.predict_proba(fresh)).all()


def test_polars_and_pandas_frames_give_the_same() -> None:
    frame, y = people(80)
    native = pl.from_pandas(frame.drop(columns="since"))
    one, other = small(epochs=3).fit(frame.drop(columns="since"), y), small(epochs=3).fit(native, pl.Series(y))
    np.testing.assert_array_equal(one.predict_proba(frame.drop(columns="since")), other.predict_proba(native))


def test_missing_numbers_of_an_array_are_taken_and_infinite_ones_refused(iris: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = iris[0].copy(), iris[1]
    X[::7, 1] = np.nan
    assert small().fit(X, y).score(X, y) > 0.9
    X[0, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        small().fit(X, y)


def test_images_are_taken() -> None:
    digits = load_digits()
    X, y = digits.images[:200] / 16, digits.target[:200]
    model = WellposedClassifier(members=1, epochs=3, random_state=0).fit(X, y)
    assert model.predict_proba(X[:3]).shape == (3, 10)
    np.testing.assert_array_equal(model.predict_proba(X[:3]), model.predict_proba(X[:3, :, :, None]))
    with pytest.raises(BadInput, match="axes N H W"):
        model.predict(X[0])
    assert not [name for name in vars(model) if name.startswith("n_features")]
    model.set_params(recipe="plain", epochs=1)  # a preset is made for what the features are
    assert model.fit(X.reshape(200, 64), y).n_features_in_ == 64
    assert "n_features_in_" not in vars(model.fit(X, y))


def test_sparse_tables_are_refused(iris: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        small().fit(csr_array(iris[0]), iris[1])


# labels


@pytest.mark.parametrize(
    "names",
    [
        np.array(["c", "a", "b"]),
        np.array(["c", "a", "b"], dtype=object),
        np.array([30, -1, 7], dtype=np.int32),
        np.array([2.0, 0.0, 1.0]),
        np.array([2, 0, 1], dtype=object),
    ],
    ids=["str", "object", "int32", "float", "objects that are numbers"],
)
def test_labels_come_back_as_they_were(iris: tuple[np.ndarray, np.ndarray], names: np.ndarray) -> None:
    X, codes = iris
    y = names[codes]
    model = small().fit(X, y)
    assert model.classes_.tolist() == sorted(names.tolist())
    assert model.predict(X).dtype == model.classes_.dtype
    assert (model.predict(X) == y).mean() > 0.9
    np.testing.assert_array_equal(model.classes_[model.predict_proba(X).argmax(1)], model.predict(X))


def test_truth_values_are_labels(iris: tuple[np.ndarray, np.ndarray]) -> None:
    model = small().fit(iris[0], iris[1] == 0)
    assert model.predict(iris[0]).dtype == bool
    assert model.score(iris[0], iris[1] == 0) == 1


@pytest.mark.parametrize("hole", [None, np.nan, pd.NA, pd.NaT])
@pytest.mark.parametrize("form", [list, pd.Series])
def test_a_missing_label_is_refused(
    iris: tuple[np.ndarray, np.ndarray], hole: object, form: Callable[..., Any]
) -> None:
    y = form([hole, *np.array(["a", "b", "c"], dtype=object)[iris[1][1:]]])
    with pytest.raises(ValueError, match="y contains NaN"):
        small().fit(iris[0], y)
    with pytest.raises(ValueError, match="y contains NaN"):
        small().fit(pd.DataFrame(iris[0]), y)


def test_bad_targets_are_refused(iris: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = iris
    with pytest.raises(ValueError, match="only one class is present"):
        small().fit(X[:50], y[:50])
    with pytest.raises(ValueError, match="Unknown label type"):
        small().fit(X, X[:, 0])
    with pytest.raises(ValueError, match="y contains infinity"):
        number().fit(pd.DataFrame(X), np.where(y == 0, np.inf, 1.0))
    with pytest.raises(ValueError, match="could not convert"):
        number().fit(pd.DataFrame(X), np.array(["a", "b", "c"])[y])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        number().fit(pd.DataFrame(X), y[:-1])
    with pytest.raises(ValueError, match="requires y"):
        number().fit(pd.DataFrame(X), None)


# columns


def test_names_of_columns_are_held_to() -> None:
    frame, y = people(60)
    model = small(epochs=2).fit(frame, y)
    with pytest.raises(ValueError, match=r"now missing:\n- town"):
        model.predict(frame.drop(columns="town"))
    with pytest.raises(ValueError, match="same order"):
        model.predict(frame[frame.columns[::-1]])
    with pytest.raises(BadInput, match="X must have a row"):
        model.predict(frame[:0])
    assert model.predict(frame[7:8]).shape == (1,)


def test_arrays_and_frames_of_numbers_stand_for_each_other(iris: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = iris
    named, numbered = pd.DataFrame(X, columns=list("abcd")), pd.DataFrame(X)
    from_named, from_array = small(epochs=2).fit(named, y), small(epochs=2).fit(X, y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        answer = from_named.predict_proba(X)
    np.testing.assert_array_equal(answer, from_array.predict_proba(X))
    np.testing.assert_array_equal(answer, from_array.predict_proba(numbered))
    with pytest.warns(UserWarning, match="was fitted without feature names"):
        np.testing.assert_array_equal(answer, from_array.predict_proba(named))
    with pytest.raises(ValueError, match="3 features"):
        from_array.predict(X[:, :3])


# weights


@pytest.mark.parametrize("make", [small, number])
def test_rows_of_weight_0_have_no_influence(
    iris: tuple[np.ndarray, np.ndarray], make: Callable[..., Estimator]
) -> None:
    X, y = iris
    frame = pd.DataFrame(X, columns=list("abcd")).assign(e=np.repeat(["x", "y"], 75))
    odd = frame[:30].assign(a=1e9, b=np.nan, e="only here")
    weight = np.repeat([1.0, 0.0], [150, 30])
    with_them = make().fit(pd.concat([frame, odd]), np.append(y, y[:30][::-1]), sample_weight=weight)
    without = make().fit(frame, y)
    np.testing.assert_array_equal(with_them.predict(frame), without.predict(frame))


def test_weights_move_the_answer() -> None:
    X = np.repeat([[0.0], [1.0]], 50, axis=0)
    y = np.tile([0.0, 1.0], 50)
    weight = np.where(y == 1, 3.0, 1.0)
    model = number(validation_share=0, epochs=100).fit(X, y, sample_weight=weight)
    assert model.predict(X) == pytest.approx(np.full(100, 0.75), abs=0.01)
    equal = number().fit(X, y, sample_weight=np.full(100, 7.0))
    np.testing.assert_array_equal(equal.predict(X), number().fit(X, y).predict(X))
    with pytest.raises(ValueError, match="weight"):
        number().fit(X, y, sample_weight=np.zeros(100))


def test_class_weight_multiplies_the_weights_of_rows() -> None:
    draw = np.random.default_rng(0)
    y = np.array(["rare", "usual"])[(draw.random(400) < 0.9).astype(int)]
    X = draw.normal(size=(400, 2)) + (y == "rare")[:, None]

    def found(class_weight: object, weight: np.ndarray | None = None) -> np.ndarray:
        return small(class_weight=class_weight, validation_share=0).fit(X, y, sample_weight=weight).predict_proba(X)

    assert (found("balanced").argmax(1) == 0).mean() > 2 * (found(None).argmax(1) == 0).mean()
    share = (y == "rare").mean()
    by_hand = {"rare": 0.5 / share, "usual": 0.5 / (1 - share)}
    rows = np.where(y == "rare", by_hand["rare"], by_hand["usual"])
    np.testing.assert_allclose(found("balanced"), found(by_hand), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found("balanced"), found(None, rows), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found("balanced", 1 / rows), found("balanced"), rtol=1e-3, atol=1e-3)


def test_other_class_weights_are_refused(iris: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="class_weight"):
        small(class_weight="even").fit(*iris)


# arguments


@pytest.mark.unchecked
def test_the_recipe_is_named_given_or_read(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(SMALL.to_toml(), encoding="utf-8")
    for given in (SMALL, tmp_path / "mine.toml", str(tmp_path / "mine.toml")):
        assert choose_recipe(small(recipe=given), "table", 100) == SMALL
    assert choose_recipe(small(recipe="sound"), "images", 500) == sound("images", 500)
    changed = choose_recipe(small(epochs=np.int64(3), batch_size=8), "table", 100)
    assert (changed.epochs, changed.batch_size) == (3, 8)
    with pytest.raises(BadInput, match="Did you mean 'sound'"):
        choose_recipe(small(recipe="sond"), "table", 100)
    with pytest.raises(BadInput, match="readable"):
        choose_recipe(small(recipe="nowhere.toml"), "table", 100)


@pytest.mark.parametrize(
    "wrong", [{"validation_share": 1.0}, {"members": 0}, {"epochs": 0}, {"dtype": "float16"}, {"batch_size": 0}]
)
def test_wrong_arguments_are_refused_in_fit(iris: tuple[np.ndarray, np.ndarray], wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=next(iter(wrong))):
        small(**wrong).fit(*iris)


def test_rows_are_held_out_where_that_makes_sense(iris: tuple[np.ndarray, np.ndarray]) -> None:
    y = np.repeat(np.arange(10), 4)
    assert [len(rows) for rows in hold_out("classification", y, share=0.25, seed=0)] == [30, 10]
    assert [len(rows) for rows in hold_out("classification", y, share=0.2, seed=0)] == [40, 0]
    assert len(small().fit(*iris).committee_.bags[0].population.record.validation_loss) == 30
    assert not small(validation_share=0).fit(*iris).committee_.bags[0].population.record.validation_loss


def test_stopping_early_is_counted(iris: tuple[np.ndarray, np.ndarray]) -> None:
    X = np.random.default_rng(0).normal(size=(150, 4))
    model = small(recipe="sound").fit(X, iris[1])
    assert 20 < model.n_iter_ < model.recipe_.epochs == 150


def test_the_result_is_a_function_of_random_state(iris: tuple[np.ndarray, np.ndarray]) -> None:
    def answer(state: Any) -> np.ndarray:
        return small(recipe="sound", epochs=2, random_state=state).fit(*iris).predict_proba(iris[0])

    np.testing.assert_array_equal(answer(3), answer(3))
    np.testing.assert_array_equal(answer(np.random.RandomState(3)), answer(3))
    assert (answer(3) != answer(4)).any()
    before = np.random.get_state()  # noqa: NPY002  # the stream that scikit-learn draws from where None is given
    try:
        np.random.seed(5)  # noqa: NPY002
        first, second = answer(None), answer(None)
        np.random.seed(5)  # noqa: NPY002
        np.testing.assert_array_equal(answer(None), first)
    finally:
        np.random.set_state(before)  # noqa: NPY002
    assert (first != second).any()


@pytest.mark.filterwarnings("ignore:overflow")
def test_training_that_fails_in_every_member_is_told(iris: tuple[np.ndarray, np.ndarray]) -> None:
    wild = Recipe(net=MLP(widths=(8, 8)), optimizer=SGD(learning_rate=1e9), epochs=5)
    with pytest.raises(BadInput, match=r"failed at step \d+ in .*Lower the learning rate"):
        number(recipe=wild).fit(*iris)


# in company


def test_searches_scores_and_pipelines(iris: tuple[np.ndarray, np.ndarray]) -> None:
    search = GridSearchCV(small(), {"epochs": [1, 30], "members": [1]}, cv=2).fit(*iris)
    assert search.best_params_ == {"epochs": 30, "members": 1}
    pipe = make_pipeline(StandardScaler(), small())
    assert cross_val_score(pipe, *iris, cv=2).min() > 0.85
    frame, y = people(60)
    assert np.isfinite(cross_val_score(small(epochs=2), frame, y, cv=2)).all()
    model = clone(small(class_weight={0: 2.0})).set_params(epochs=4)
    assert model.get_params()["class_weight"] == {0: 2.0}
    assert model.fit(*iris).n_iter_ == 4


@pytest.mark.parametrize("make", [small, number])
def test_pickling_keeps_the_answers(iris: tuple[np.ndarray, np.ndarray], make: Callable[..., Estimator]) -> None:
    model = make(recipe="sound", epochs=2).fit(*iris)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(again.predict(iris[0]), model.predict(iris[0]))


def test_a_classifier_is_saved_and_loaded_without_a_pickle(tmp_path: Path) -> None:
    frame, y = people(80)
    model = small(recipe="sound", epochs=2, dtype="float64").fit(frame, y)
    model.save(tmp_path / "new" / "folder")
    again = WellposedClassifier.load(str(tmp_path / "new" / "folder"))
    np.testing.assert_array_equal(again.predict_proba(frame), model.predict_proba(frame))
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))
    np.testing.assert_array_equal(again.classes_, model.classes_)
    np.testing.assert_array_equal(again.feature_names_in_, model.feature_names_in_)
    assert (again.n_features_in_, again.n_iter_, again.recipe_) == (5, 2, model.recipe_)
    assert (again.members, again.dtype) == (2, "float64")
    with pytest.raises(ValueError, match="same order"):
        again.predict(frame[frame.columns[::-1]])
    assert again.set_params(random_state=0).fit(frame, y).score(frame, y) > 0.5  # a loaded model has no seed of its own
    with pytest.raises(BadInput, match="a model for regression"):
        WellposedRegressor.load(tmp_path / "new" / "folder")


def test_a_model_for_texts_is_none_of_an_estimator(tmp_path: Path) -> None:
    part = Part(Texts(np.array(["a b", "a c"] * 5, dtype=object), "said"), np.array([0, 1] * 5))
    recipe = Recipe(net=BagOfWords(embedding=2, widths=()), epochs=1)
    bag, rows = Bag.prepare(part, task="classification", recipe=recipe, members=1, seed=0)
    for _ in bag.train(rows, None):
        pass
    bag.save(tmp_path)
    with pytest.raises(BadInput, match=r"must hold a model for tables or images. Got 'texts'. Ask it with"):
        WellposedClassifier.load(tmp_path)


def test_a_regressor_is_saved_and_loaded_without_a_pickle(tmp_path: Path, iris: tuple[np.ndarray, np.ndarray]) -> None:
    model = number().fit(*iris)
    model.save(tmp_path)
    again = WellposedRegressor.load(tmp_path)
    np.testing.assert_array_equal(again.predict(iris[0]), model.predict(iris[0]))
    assert "feature_names_in_" not in vars(again)
    (tmp_path / "estimator.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BadInput, match=r"estimator\.json must hold what"):
        WellposedRegressor.load(tmp_path)
    with pytest.raises(NotFittedError):
        number().save(tmp_path)


@pytest.mark.parametrize("make", [WellposedClassifier, WellposedRegressor])
def test_recipes_are_searched_where_trials_are_given(
    iris: tuple[np.ndarray, np.ndarray], make: Callable[..., Any]
) -> None:
    model = make(trials=4, members=3, epochs=3, random_state=0).fit(*iris)
    assert len(model.study_.trials) == 4 and model.recipe_ == model.study_.recipe and model.recipe_.epochs == 3
    assert sum(len(bag.population) for bag in model.committee_.bags) == 3
    again = make(trials=4, members=3, epochs=3, random_state=0).fit(*iris)
    np.testing.assert_array_equal(model.predict(iris[0]), again.predict(iris[0]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"trials": -1}, "trials must be 0 or more"),
        ({"trials": 2, "validation_share": 0}, "hold out rows for a search"),
        ({"trials": 2, "dtype": "float64"}, "be 'float32' for a search"),
    ],
)
def test_what_no_search_can_do_is_refused(iris: tuple[np.ndarray, np.ndarray], options: dict, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        WellposedClassifier(members=2, epochs=2, **options).fit(*iris)
    with pytest.raises(BadInput, match="be all the same for a search"):
        WellposedClassifier(trials=2, epochs=2).fit(*iris, sample_weight=np.arange(150) + 1.0)
