"""`predict`, `report` and `export`: what comes after a fit."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from wellposed.cli.app import app


@app.command()
def predict(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A result folder, or a model folder in it.")],
    data: Annotated[str, typer.Argument(help="Rows to answer for, in the form of the training data.")],
    proba: Annotated[bool, typer.Option("--proba", help="The probability of each class beside the answer.")] = False,
    out: Annotated[Path | None, typer.Option(help="CSV file to write; standard output by default.")] = None,
    missing: Annotated[
        list[str] | None, typer.Option(help="A further mark of missing values; may be repeated.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Answer for new rows with a trained bag: one CSV line a row, text, sequence or image."""
    import pandas as pd

    from wellposed.committee import Committee
    from wellposed.devices import find_device
    from wellposed.files import write_text
    from wellposed.inputs.questions import read_questions

    model = folder / "model" if (folder / "model").is_dir() else folder
    bag = Committee.load(model, device=find_device(device, what="--device"))
    questions = read_questions(data, bag.encoder, missing=tuple(missing or ()))
    for note in questions.notes:
        Console(stderr=True).print(f"note: {escape(note)}", highlight=False, soft_wrap=True)
    answer = bag.answer(questions.features)
    columns: list[tuple[str, Any]] = [(questions.column, questions.names)] if len(questions.names) else []
    if bag.task == "regression":
        columns.append(("prediction", answer[:, 0]))
    else:
        columns.append(("prediction", bag.target.decode(answer.argmax(1))))
        columns += [(f"p({label})", answer[:, j]) for j, label in enumerate(bag.target.classes) if proba]
    table = pd.concat([pd.Series(values, name=name) for name, values in columns], axis=1)
    text_out = table.to_csv(index=False)
    if out is None:
        print(text_out, end="")
    else:
        write_text(out, text_out)


@app.command()
def report(folder: Annotated[Path, typer.Argument(metavar="DIR", help="A result folder.")]) -> None:
    """Build report.html again from the stored values."""
    from wellposed.report import page

    page.write(folder)
    print(folder / "report.html")


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A result folder with a study.db.")],
    optuna: Annotated[str, typer.Option(help="Address of an Optuna database, such as sqlite:///optuna.db.")],
    name: Annotated[str | None, typer.Option(help="Name of the study there; that of the folder by default.")] = None,
) -> None:
    """Write a finished search into an Optuna database, for its dashboard."""
    from wellposed.search_space import read_dimensions
    from wellposed.study.export import export_optuna
    from wellposed.study.search import STORE
    from wellposed.study.store import Store

    with Store.open(folder / STORE, readonly=True) as store:
        trials, dimensions = store.trials(), read_dimensions(store.spec.get("space"))
    named = name or folder.resolve().name
    export_optuna(trials, optuna, dimensions=dimensions, name=named)
    print(f"{sum(t.state != 'queued' for t in trials)} trials, as the study {named!r} in {optuna}")
