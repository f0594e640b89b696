from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wellposed.errors import BadInput
from wellposed.inputs.dataset import Data, Sequences, Texts
from wellposed.inputs.encode import ImageEncoder, TableEncoder, Target
from wellposed.inputs.load import load

PRICES = "area,town,price\n" + "".join(f"{50 + i},{'AB'[i % 2]},{100.5 + 3 * i}\n" for i in range(40))


def write(folder: Path, text: str, name: str = "prices.csv") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def table(data: Data) -> pd.DataFrame:
    assert isinstance(data.rows.features, pd.DataFrame)
    return data.rows.features


@pytest.mark.parametrize(
    ("name", "task", "n", "target", "classes"),
    [
        ("tabular/abalone.csv", "regression", 4177, "rings", 0),
        ("tabular/adult.csv.gz", "classification", 48842, "income", 2),
        ("tabular/auto_imports.csv", "regression", 201, "price", 0),
        ("tabular/auto_mpg.csv", "regression", 398, "mpg", 0),
        ("tabular/horse_colic.csv", "classification", 368, "surgical_lesion", 2),
        ("tabular/letter.csv.gz", "classification", 20000, "letter", 26),
        ("tabular/pima_diabetes.csv", "classification", 768, "diabetes", 2),
        ("tabular/sick.csv.gz", "classification", 3772, "diagnosis", 2),
        ("tabular/sonar.csv", "classification", 208, "material", 2),
        ("tabular/soybean.csv", "classification", 683, "disease", 19),
        ("tabular/wheat_seeds.csv", "classification", 210, "variety", 3),
        ("tabular/wine_quality_white.csv.gz", "classification", 4898, "quality", 7),
        ("sequence/daily_min_temperatures.csv", "regression", 3650, "min_temp_c", 0),
    ],
)
def test_real_tables(shared_data: Path, name: str, task: str, n: int, target: str, classes: int) -> None:
    data = load(str(shared_data / name))
    assert (data.kind, data.task, data.target, len(data.rows), data.test) == ("table", task, target, n, None)
    assert f"The target is the last column, {target!r}; --target names another." in data.notes
    oracle = pd.read_csv(shared_data / name, keep_default_na=False, na_values=[""])
    assert data.rows.target.tolist() == oracle[target].tolist()
    assert table(data).columns.tolist() == oracle.columns.tolist()[:-1]
    assert TableEncoder.fit(table(data)).encode(table(data))[0].isfinite().all()
    assert len(Target.fit(data.rows.target, data.task).classes) == classes


def test_mnist_whole(shared_data: Path) -> None:
    data = load(str(shared_data / "mnist"))
    assert (data.name, data.kind, data.task, data.target, len(data.rows)) == (
        "mnist",
        "images",
        "classification",
        "label",
        60000,
    )
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(data.rows.target).tolist() == counts
    assert data.test is not None
    assert isinstance(data.test.features, np.ndarray)
    x, codes = ImageEncoder.fit(data.test.features).encode(data.test.features)
    assert (x.shape, codes.shape, x.max().item()) == ((10000, 1, 28, 28), (10000, 0), 1.0)


def test_texts_of_a_real_file(shared_data: Path) -> None:
    path = str(shared_data / "text" / "sms_spam.tsv")
    data = load(path, text="message")
    assert isinstance(data.rows.features, Texts)
    assert (data.kind, data.task, len(data.rows), data.flags) == (
        "text", "classification", 5574, ("--text", "message"),
    )  # fmt: skip
    oracle = pd.read_csv(path, sep="\t", keep_default_na=False)
    assert data.rows.features.values.tolist() == oracle["message"].tolist()
    with pytest.raises(
        BadInput, match=r"text that differs in nearly every row: 'message'. Name a column of texts in --text"
    ):
        TableEncoder.fit(table(load(path)))


def test_sequences_of_a_real_file(shared_data: Path) -> None:
    path = str(shared_data / "sequence" / "indoor_movement.csv.gz")
    data = load(path)
    assert isinstance(data.rows.features, Sequences)
    assert (data.kind, data.task, len(data.rows)) == ("sequence", "classification", 314)
    assert data.flags == ("--sequence", "sequence_id", "--step", "step")
    oracle = pd.read_csv(path).groupby("sequence_id")
    assert data.rows.features.lengths.tolist() == oracle.size().tolist()
    assert data.rows.target.tolist() == oracle["label"].first().tolist()
    assert load(path, sequence="none").kind == "table"


@pytest.mark.parametrize(
    ("name", "task", "shape"),
    [
        ("iris", "classification", (150, 4)),
        ("wine", "classification", (178, 13)),
        ("digits", "classification", (1797, 64)),
        ("breast_cancer", "classification", (569, 30)),
        ("diabetes", "regression", (442, 10)),
    ],
)
def test_built_in_tables(name: str, task: str, shape: tuple[int, int]) -> None:
    data = load(name)
    assert (data.name, data.task, data.target, table(data).shape) == (name, task, "target", shape)
    assert all("classes of" in note for note in data.notes)


def test_a_target_by_name_and_the_first_rows(tmp_path: Path) -> None:
    data = load(write(tmp_path, PRICES), target="town", limit=10)
    assert (data.name, data.task, data.target, len(data.rows)) == ("prices.csv", "classification", "town", 10)
    assert data.rows.target.tolist() == list("AB" * 5)
    assert (table(data).columns.tolist(), data.notes) == (["area", "price"], ())


def test_a_target_with_blanks_around_its_name(tmp_path: Path) -> None:
    path = write(tmp_path, PRICES.replace("town", " town "))
    assert load(path, target=" town ").target == load(path, target="town").target == "town"


def test_the_task_is_the_users_choice(tmp_path: Path) -> None:
    path = write(tmp_path, "a,y\n" + "".join(f"{i},{i % 3}\n" for i in range(30)))
    assert load(path).task == "classification"
    data = load(path, task="regression")
    assert (data.task, data.rows.target.dtype.name) == ("regression", "float64")


def test_rows_without_a_target_are_dropped_and_counted(tmp_path: Path) -> None:
    data = load(write(tmp_path, PRICES + "1,A,\n2,B,NA\n"))
    assert (len(data.rows), len(table(data))) == (40, 40)
    assert "prices.csv: dropped 2 rows without a target." in data.notes


def test_infinities_are_refused_or_missing(tmp_path: Path) -> None:
    path = write(tmp_path, PRICES.replace("\n66,", "\n-inf,"))
    with pytest.raises(BadInput, match=r"prices.csv, row 17, column 'area': found -inf, .* --inf missing"):
        load(path)
    column = table(load(path, infinite_is_missing=True))["area"]
    assert column.isna().to_numpy().nonzero()[0].tolist() == [16]


def test_marks_are_refused_or_named(tmp_path: Path) -> None:
    path = write(tmp_path, PRICES.replace("\n66,", "\nunknown,"))
    with pytest.raises(BadInput, match=r"prices.csv, row 17, column 'area': found 'unknown', expected a number. Name"):
        load(path)
    assert table(load(path, missing=("unknown",)))["area"].isna().sum() == 1


def test_a_file_of_test_rows_is_read_as_the_training_rows_are(tmp_path: Path) -> None:
    train = write(tmp_path, "code,a,y\n" + "".join(f"{'x' if i % 2 else '01'},{i},{'uv'[i % 2]}\n" for i in range(20)))
    test = write(tmp_path, "y,code,more,a\nu,01,0,5\nv,02,0,\n,x,0,1\n", "test.csv")
    data = load(train, test=test)
    assert data.test is not None
    assert isinstance(data.test.features, pd.DataFrame)
    assert data.test.target.tolist() == ["u", "v"]
    assert data.test.features["code"].tolist() == ["01", "02"]
    assert TableEncoder.fit(table(data)).encode(data.test.features)[1].tolist() == [[2], [1]]
    assert "The test set: dropped 1 row without a target." in data.notes


def test_images_of_another_file_are_the_test_set(tmp_path: Path) -> None:
    for name, n, size in (("train", 6, 4), ("test", 2, 4), ("other", 2, 5)):
        np.savez(tmp_path / f"{name}.npz", X=np.zeros((n, size, size), dtype=np.uint8), y=np.arange(n) % 2)
    paths = {name: str(tmp_path / f"{name}.npz") for name in ("train", "test", "other")}
    data = load(paths["train"], test=paths["test"])
    assert data.test is not None
    assert (data.target, data.test.target.tolist()) == ("y", [0, 1])
    with pytest.raises(BadInput, match=r"images of --test must be of the shape \(4, 4\). Got \(5, 5\)"):
        load(paths["train"], test=paths["other"])
    with pytest.raises(BadInput, match=r"--test must hold images like the training rows"):
        load(paths["train"], test=write(tmp_path, PRICES))
    with pytest.raises(BadInput, match=r"--target must be 'y' for images. Got 'z'"):
        load(paths["train"], target="z")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("area,town\n1,A\n", r"test.csv must have the columns it was trained on. Missing: 'price'"),
        ("area,town,price\nbig,A,1\n", "test.csv, row 1, column 'area': found 'big', expected a number"),
        ("area,town,price\n1,A,inf\n", "test.csv, row 1, column 'price': found inf, expected a finite number"),
        ("area,town,price\n1,A,\n", "test set must have rows with a target"),
    ],
)
def test_test_rows_that_do_not_fit_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        load(write(tmp_path, PRICES), test=write(tmp_path, text, "test.csv"))


def test_a_test_file_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    train = write(tmp_path, PRICES)
    with pytest.raises(BadInput, match=r"--test must be a file of test rows. .* Did you mean 'prices.csv'\?"):
        load(train, test=str(tmp_path / "prics.csv"))


def test_new_classes_in_the_test_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"classes of the training rows alone. Got also C"):
        load(write(tmp_path, PRICES), target="town", test=write(tmp_path, PRICES.replace("B", "C"), "test.csv"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,y\n1,2\n3,4\n", "prices.csv must have at least 5 rows with a target. Got 2"),
        ("y\n" + "1\n" * 9, "prices.csv must have a column to predict and one to learn from"),
        ("a,y\n" + "1,x\n" * 9, "column 'y': the target must have at least two classes. Got 'x' in every row"),
        ("a,y\n" + "1,\n" * 9, "column 'y': every value of the target is missing"),
    ],
)
def test_tables_that_teach_nothing_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        load(write(tmp_path, text))


def test_options_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, PRICES)
    with pytest.raises(
        BadInput, match=r"--target must name a column of prices.csv. Got 'pric'. Did you mean 'price'\?"
    ):
        load(path, target="pric")
    with pytest.raises(BadInput, match=r"--limit must be at least 1. Got 0"):
        load(path, limit=0)
    with pytest.raises(
        BadInput, match=r"row 1, column 'town': found 'A', expected a number, as --task regression asks"
    ):
        load(path, target="town", task="regression")
    with pytest.raises((BadInput, TypeError), match=r"clasification") as error:  # TypeError where types are checked
        load(path, task="clasification")  # type: ignore[arg-type]
    assert not isinstance(error.value, BadInput) or "Did you mean 'classification'?" in str(error.value)
    with pytest.raises((BadInput, TypeError), match=r"n/a"):
        load(path, missing="n/a")  # type: ignore[arg-type]


def test_the_fingerprint_is_that_of_the_content(tmp_path: Path) -> None:
    path = write(tmp_path, PRICES)
    first = load(path).fingerprint
    assert first == load(write(tmp_path, PRICES.replace(",", ";"), "other.csv")).fingerprint
    pd.read_csv(path).to_parquet(tmp_path / "a.parquet")
    assert first == load(str(tmp_path / "a.parquet")).fingerprint
    others = [
        load(path, limit=39),
        load(path, target="area"),
        load(write(tmp_path, PRICES.replace("50", "51"), "b.csv")),
        load(write(tmp_path, PRICES.replace("town", "city"), "c.csv")),
        load(path, test=path),
    ]
    assert len({first, *(data.fingerprint for data in others)}) == 6


def test_unicode_and_markup_survive(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '"<script>","größe\n""m""",🎲\n' + "".join(f"{i},{i * i},{'ja' if i % 2 else 'nein'}\n" for i in range(9)),
    )
    data = load(path)
    assert (table(data).columns.tolist(), data.target) == (["<script>", 'größe\n"m"'], "🎲")
    with pytest.raises(BadInput, match=r"Did you mean 'größe\\n"):
        load(path, target="größe m")


def test_a_class_with_one_row_is_told(tmp_path: Path) -> None:
    notes = load(write(tmp_path, PRICES + "9,C,1\n"), target="town").notes
    assert notes == (
        "prices.csv, column 'town': class C has one row only, which can be learnt from but not be tested.",
    )


def test_an_encoding_is_told_first(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(PRICES.replace("town", "größe").encode("latin-1"))
    assert load(str(tmp_path / "a.csv")).notes[0] == "a.csv is not UTF-8 and was read as latin-1."


@pytest.mark.parametrize("test", ["a\0", "x" * 5000, "no/such/folder.csv"])
def test_a_test_file_with_an_impossible_name_is_refused(tmp_path: Path, test: str) -> None:
    with pytest.raises(BadInput, match=r"--test must be a file of test rows"):
        load(write(tmp_path, PRICES), test=test)


def test_a_wide_table_is_loaded(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(50, 2000)).round(3)
    frame = pd.DataFrame(values).add_prefix("x").assign(y=["u", "v"] * 25)
    frame.iloc[3, 5:2000] = np.inf
    frame.to_csv(tmp_path / "wide.csv", index=False)
    features = table(load(str(tmp_path / "wide.csv"), infinite_is_missing=True))
    np.testing.assert_array_equal(features.to_numpy(), frame.iloc[:, :-1].replace(np.inf, np.nan).to_numpy(dtype=float))


TEXTS = "label,said\n" + "".join(f"{'ab'[i % 2]},{'hi there' if i % 2 else 'NA'} {i}\n" for i in range(12))
STEPS = "sequence_id,step,x,y\n" + "".join(f"{i:03},{t},{i * t},{'uv'[i % 2]}\n" for i in range(8) for t in (1, 0))


def test_texts_and_a_target_that_stands_before_them(tmp_path: Path) -> None:
    data = load(write(tmp_path, TEXTS + "a,NA\n,b\n"), text="said")
    assert isinstance(data.rows.features, Texts)
    assert (data.target, len(data.rows)) == ("label", 13)
    assert data.rows.features.values.tolist()[-2:] == ["hi there 11", "NA"]
    assert data.notes == (
        "The target is the last of the other columns, 'label'; --target names another.",
        "prices.csv: dropped 1 row without a target.",
    )
    assert load(write(tmp_path, TEXTS), text="said", limit=6).rows.target.tolist() == list("ababab")


def test_texts_of_a_test_file(tmp_path: Path) -> None:
    train, test = write(tmp_path, TEXTS), write(tmp_path, "said,label\n?,b\n,a\n", "test.csv")
    data = load(train, text="said", test=test)
    assert data.test is not None and isinstance(data.test.features, Texts)
    assert (data.test.features.values.tolist(), data.test.target.tolist()) == (["?", ""], ["b", "a"])


def test_sequences_are_rows_from_here_on(tmp_path: Path) -> None:
    path = write(tmp_path, STEPS)
    data = load(path, limit=6)
    assert isinstance(data.rows.features, Sequences)
    assert data.rows.features.ids.tolist() == ["000", "001", "002", "003", "004", "005"]
    assert data.rows.features.steps["x"].tolist()[:6] == [0, 0, 0, 1, 0, 2]
    assert data.rows.target.tolist() == list("uvuvuv")
    test = load(path, test=write(tmp_path, "y,x,step,sequence_id\nu,,1,9\nu,3,0,9\n,1,0,8\n", "test.csv"))
    assert test.test is not None and isinstance(test.test.features, Sequences)
    assert (test.test.target.tolist(), test.test.features.ids.tolist()) == (["u"], ["9"])
    assert test.test.features.steps["x"].tolist() == [3, 3]
    assert "The test set: dropped 1 sequence without a target." in test.notes


def test_sequences_with_two_targets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"prices.csv, row 2, column 'y': found 'v', expected 'u', .* sequence '000'"):
        load(write(tmp_path, STEPS.replace("000,0,0,u", "000,0,0,v")))
    with pytest.raises(BadInput, match=r"must have at least 5 sequences with a target. Got 3"):
        load(write(tmp_path, STEPS), limit=3)


def test_folders_of_pictures(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for part, n in (("train", 4), ("test", 2), ("more", 1)):
        for label in ("0", "1"):
            (tmp_path / part / label).mkdir(parents=True)
            for i in range(n):
                image.new("L", (5 if part == "more" else 4, 4), 20 * i).save(tmp_path / part / label / f"{i}.png")
    data = load(str(tmp_path / "train"), test=str(tmp_path / "more"))
    assert (data.kind, data.task, data.target, data.flags) == ("images", "classification", "class", ())
    assert data.rows.target.tolist() == ["0", "1"] * 4
    assert data.test is not None and np.asarray(data.test.features).shape == (2, 4, 4)
    assert load(str(tmp_path / "train"), limit=6).rows.target.tolist() == ["0", "1"] * 3
    assert load(str(tmp_path / "train"), size=7).flags == ("--size", "7")
    with pytest.raises(BadInput, match=r"--text must go with a table. Got 'images in train'"):
        load(str(tmp_path / "train"), text="said")
    with pytest.raises(BadInput, match=r"--size must be a positive whole number. Got 0"):
        load(str(tmp_path / "train"), size=0)
    (tmp_path / "more").rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").rename(tmp_path.parent / f"{tmp_path.name}-elsewhere")
    whole = load(str(tmp_path))
    assert whole.test is not None and (len(whole.rows), len(whole.test)) == (8, 4)


def test_a_size_goes_with_pictures_alone(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--size must go with a folder that has a sub-folder of pictures"):
        load(write(tmp_path, PRICES), size=8)
    with pytest.raises(BadInput, match="--size must go with a folder"):
        load("iris", size=8)


def test_fingerprints_of_texts_and_sequences(tmp_path: Path) -> None:
    texts, steps = write(tmp_path, TEXTS), write(tmp_path, STEPS, "steps.csv")
    found = [
        load(texts, text="said"),
        load(write(tmp_path, TEXTS.replace("hi", "ho"), "b.csv"), text="said"),
        load(steps),
        load(steps, step="x"),
        load(steps, sequence="none"),
        load(steps, limit=7),
    ]
    assert len({data.fingerprint for data in found}) == 6
    assert load(texts, text="said").fingerprint == found[0].fingerprint
