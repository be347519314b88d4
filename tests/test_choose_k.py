"""Numbers of clusters side by side: what is found is the library's own, what is drawn is what was found."""

from __future__ import annotations

import csv
import json
import math
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import adjusted_rand_score
from typer.testing import CliRunner

from gmvae import GMVAE, choose_k, figures
from gmvae.cli import app
from gmvae.cli.choose_k import numbers_of
from gmvae.fitting import choice_of_k
from gmvae.fitting.choice_of_k import Candidate, Choice, Fits
from gmvae.initialisation.n_clusters import Criteria

SMALL: dict[str, Any] = {
    "latent_dim": 2,
    "style_dim": 1,
    "hidden_layer_sizes": (8,),
    "max_iter": 2,
    "init": "random",
    "precision": "64-true",
    "device": "cpu",
}
SET = ["--epochs", 2, "--set", "hidden_layer_sizes=8", "--set", "latent_dim=2", "--set", "style_dim=1"]
SET += ["--set", "init=random"]
NOISE = np.random.default_rng(1).normal(size=(100, 3))


def blobs(n: int = 120) -> NDArray[Any]:
    """Three clusters far apart."""
    return 9.0 * np.eye(3)[np.arange(n) % 3] + np.random.default_rng(0).normal(size=(n, 3))


def estimator(**changed: Any) -> GMVAE:
    return GMVAE(**{**SMALL, "random_state": 0, **changed})


def gmvae(*arguments: Any, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result


def refused(*arguments: Any) -> str:
    result = gmvae(*arguments, code=2)
    (line,) = result.stderr.splitlines()
    assert result.stdout == ""
    assert line.startswith("Error: ")
    return str(line)


def no_fits(*_: Any) -> None:
    pytest.fail("fitted what was known")


def same_but_seconds(one: Path, other: Path) -> bool:
    def read(path: Path) -> Any:
        document = json.loads((path / "choose-k.json").read_text())
        for each in document["candidates"]:
            (each["fits"] or {}).pop("seconds", None)
        return document

    return bool(read(one) == read(other))


# ---------------------------------------------------------------- what is found


def test_every_number_is_the_fits_own() -> None:
    X = NOISE
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        choice = choose_k(estimator(random_state=4), X, [4, 2], n_fits=3)
    assert [each.n_components for each in choice.candidates] == [2, 4]
    for candidate in choice.candidates:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            alone = [estimator(n_components=candidate.n_components, random_state=s).fit(X) for s in (4, 5, 6)]
        fits = candidate.fits
        assert fits is not None
        np.testing.assert_allclose(fits.lower_bounds, [model.lower_bound_ for model in alone], rtol=1e-6)
        effective = [model.n_components_effective_ for model in alone]
        np.testing.assert_allclose(fits.n_components_effective, effective, rtol=1e-4)
        pairs = [adjusted_rand_score(alone[i].labels_, alone[j].labels_) for i, j in ((0, 1), (0, 2), (1, 2))]
        assert fits.agreement == pytest.approx(sum(pairs) / 3)
        assert fits.n_converged == sum(model.converged_ for model in alone)


@pytest.mark.parametrize("X", [blobs(), NOISE], ids=["blobs", "noise"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore::gmvae.CollapseWarning")
def test_the_choice_is_what_auto_takes(X: NDArray[Any]) -> None:
    choice = choose_k(estimator(random_state=3), X, n_fits=0)
    assert choice.n_components == estimator(n_components="auto", random_state=3).fit(X).n_components_
    assert {each.fits for each in choice.candidates} == {None}


def test_a_single_fit_agrees_with_nobody_and_few_rows_say_nothing() -> None:
    choice = choose_k(estimator(random_state=None), blobs(39), [2, 3], n_fits=1)
    assert choice.n_components is None
    for each in choice.candidates:
        assert each.criteria is None
        assert each.fits is not None
        assert each.fits.agreement is None


def test_what_is_known_is_not_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int | None] = []
    known = choose_k(estimator(), blobs(), [2, 3], n_fits=1, on_step=lambda _, done: steps.append(done and done[0]))
    assert steps == [None, 2, 3]
    monkeypatch.setattr(choice_of_k, "fit", no_fits)
    assert choose_k(estimator(), blobs(), [3, 2], n_fits=1, known=known.candidates) == known
    part = choose_k(estimator(), blobs(), [2, 3], n_fits=0, known=known.candidates[:1])
    assert part.candidates[0].fits == known.candidates[0].fits
    assert part.candidates[1] == (3, known.candidates[1].criteria, None)


def test_the_earlier_name_of_criteria_works_and_is_told() -> None:
    criteria = Criteria(2, 0.5, 0.1, 0.5)
    with pytest.warns(FutureWarning, match=r"`evidence` is named `criteria` now, and ends in version 0\.4"):
        assert Candidate(2, criteria, None).evidence is criteria


def test_the_estimator_and_the_global_generator_stay_as_they_are() -> None:
    model = estimator(n_components=7)
    before = np.random.get_state()[1:]  # noqa: NPY002 -- the global generator is what is watched
    choose_k(model, NOISE, [2, 3], n_fits=1)
    after = np.random.get_state()[1:]  # noqa: NPY002
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))
    assert model.n_components == 7
    assert not hasattr(model, "labels_")


@pytest.mark.parametrize(
    ("numbers", "n_fits", "sentence"),
    [
        ([], 2, "`numbers` must hold at least one; got none."),
        ([1, 2], 2, "`numbers` must be integers of at least 2; got 1."),
        ([2.0], 2, "`numbers` must be integers of at least 2; got 2.0."),
        ([2], -1, "`n_fits` must be an integer of at least 0; got -1."),
        ([2, 101], 0, "`n_components` must be at most the number of rows; got 101 for 100 rows: take fewer"),
    ],
)
def test_what_cannot_be_compared(numbers: list[Any], n_fits: int, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        choose_k(estimator(), NOISE, numbers, n_fits=n_fits)


# ---------------------------------------------------------------- what is drawn


def table(fits: bool = True) -> dict[str, Any]:
    columns = {
        "n_components": [2, 3, 5],
        "stability": [0.5, 0.9, 0.8],
        "stability_error": [0.1, 0.05, 0.2],
        "separation": [0.4, 0.6, 0.7],
        "score": [0.2, 0.54, 0.56],
    }
    if fits:
        columns["agreement"] = [0.9, math.nan, 0.7]
        columns["lower_bound_mean"] = [-3.0, -2.0, -2.5]
        columns["lower_bound_worst"] = [-3.5, -2.5, -2.75]
        columns["lower_bound_best"] = [-2.5, -1.5, -2.25]
    return columns


def test_every_panel_holds_its_columns() -> None:
    record = table()
    fig = figures.choice_of_k(record, 3)
    stability, score, bound = fig.axes
    drawn = [(stability, 0, "stability"), (stability, 1, "agreement"), (score, 0, "separation"), (score, 1, "score")]
    for ax, line, name in [*drawn, (bound, 0, "lower_bound_mean")]:
        np.testing.assert_array_equal(ax.lines[line].get_xdata(), record["n_components"])
        np.testing.assert_array_equal(ax.lines[line].get_ydata(), record[name])
    assert score.lines[2].get_ydata() == pytest.approx([0.56 - 0.2 * 0.7 * (1 - 1 / 25)] * 2)
    for ax in fig.axes:
        chosen = ax.lines[-1]
        assert (list(chosen.get_xdata()), chosen.get_linestyle()) == ([3, 3], ":")
        assert [text.get_text() for text in ax.texts] == ["K = 3"]
        assert ax.get_xlim() == stability.get_xlim()
    for ax, low, high in ((stability, 0.4, 1.0), (bound, -3.5, -1.5)):
        heights = ax.collections[0].get_paths()[0].vertices[:, 1]
        assert (heights.min(), heights.max()) == pytest.approx((low, high))
    assert bound.get_title() == "Held-out bound"
    assert figures.choice_of_k(record, held_out=False).axes[2].get_title() == "Bound on training rows"


def test_without_fits_there_are_two_panels_and_without_a_choice_no_line() -> None:
    fig = figures.choice_of_k(table(fits=False))
    assert [len(ax.lines) for ax in fig.axes] == [1, 3]
    unknown = {name: [math.nan] * 3 for name in table()} | {"n_components": [2, 3, 5]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [len(ax.lines) for ax in figures.choice_of_k(unknown).axes] == [1, 2]


def test_a_missing_column_is_named() -> None:
    record = table()
    del record["separation"]
    with pytest.raises(ValueError, match="`table` must have a column for every criterion; got none named separation"):
        figures.choice_of_k(record)


# ---------------------------------------------------------------- the command


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("2:5", [2, 3, 4, 5]),
        ("2:9:3", [2, 5, 8]),
        ("8, 3,5,3", [3, 5, 8]),
        ("2:3,10:20:5", [2, 3, 10, 15, 20]),
        ("4:4,9", [4, 9]),
    ],
)
def test_numbers_are_read(text: str, numbers: list[int]) -> None:
    assert numbers_of(text) == numbers


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "`--k` must be a range such as 2:20 or 2:20:2, or numbers such as 3,5,8; got ''."),
        ("2-5", "numbers such as 3,5,8; got '2-5'."),
        ("2:5:1:1", "numbers such as 3,5,8; got '2:5:1:1'."),
        ("2:", "numbers such as 3,5,8; got '2:'."),
        ("5:2", "`--k` must run upwards by a step of at least 1; got '5:2'."),
        ("2:5:0", "`--k` must run upwards by a step of at least 1; got '2:5:0'."),
        ("1:5", "`--k` must hold numbers of at least 2; got '1:5': one cluster has nothing to agree on."),
        ("5", "`--k` must hold at least two numbers; got '5': name a range such as 2:20, or fit that one by "),
    ],
)
def test_numbers_that_cannot_be_read_say_why(text: str, sentence: str) -> None:
    assert sentence in refused("choose-k", "digits", "--k", text)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of three clusters, alone and with their names, noise, and what the command says of it."""
    home = tmp_path_factory.mktemp("choose-k")
    np.save(home / "X.npy", blobs())
    np.save(home / "noise.npy", blobs() * 2)
    with (home / "X.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "c", "kind"])
        writer.writerows([*row, "xyz"[i % 3]] for i, row in enumerate(blobs().tolist()))
    (home / "said").write_text(gmvae("choose-k", home / "X.npy", "--k", "2:4", "-o", home / "whole", *SET).output)
    return home


def test_three_files_say_the_same(home: Path) -> None:
    whole = home / "whole"
    assert sorted(path.name for path in whole.iterdir()) == ["choose-k.csv", "choose-k.json", "choose-k.png"]
    document = json.loads((whole / "choose-k.json").read_text())
    named = {**SMALL, "hidden_layer_sizes": [8], "precision": "auto"}
    del named["device"]
    assert named.items() <= document["settings"].items()
    assert (document["n_components"], document["seeds"], document["shape"]) == (3, [0, 1], [120, 3])
    assert document["source"] == str(home / "X.npy")
    assert {"gmvae", "torch", "numpy", "scikit-learn", "python"} == set(document["versions"])
    choice = choose_k(estimator(precision="auto"), blobs(), range(2, 5))
    with (whole / "choose-k.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, entry, candidate in zip(rows, document["candidates"], choice.candidates, strict=True):
        assert candidate.criteria is not None
        assert candidate.fits is not None
        assert int(row["n_components"]) == entry["n_components"] == candidate.n_components
        assert entry["criteria"] == {**candidate.criteria._asdict(), "score": candidate.criteria.score}
        assert float(row["score"]) == candidate.criteria.score
        assert entry["fits"]["lower_bounds"] == candidate.fits.lower_bounds
        assert float(row["lower_bound_mean"]) == pytest.approx(np.mean(candidate.fits.lower_bounds))
        assert float(row["lower_bound_worst"]) == min(candidate.fits.lower_bounds)
        assert float(row["lower_bound_best"]) == max(candidate.fits.lower_bounds)
        assert float(row["agreement"]) == candidate.fits.agreement
    assert np.asarray(Image.open(whole / "choose-k.png").convert("L")).std() > 5


def test_the_command_says_what_it_found_and_how_long_it_takes(home: Path) -> None:
    said = (home / "said").read_text()
    assert re.search(r"^clusters +3, by the rule of n_components='auto'$", said, re.MULTILINE)
    assert re.search(r"^Halves of the data are compared: \d+\.\d s\.$", said, re.MULTILINE)
    assert re.search(r"^K = 3: held-out bound -\d+\.\d+, fits agree by \d\.\d+; .* about \d+ s left\.$", said, re.M)
    assert re.search(r"^K = 4: .* s, done\.$", said, re.MULTILINE)
    assert "6 of 6 fits had not converged" in said
    assert f"gmvae fit {home / 'X.npy'} -k 3" in said


def test_labels_stay_out_and_a_complete_folder_is_only_shown(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["choose-k", home / "X.csv", "--labels", "kind", "--k", "2:4", "-o", tmp_path / "csv", *SET, "--json"]
    first = json.loads(gmvae(*command).stdout)
    whole = json.loads((home / "whole" / "choose-k.json").read_text())
    assert [each["criteria"] for each in first["candidates"]] == [each["criteria"] for each in whole["candidates"]]
    monkeypatch.setattr(choice_of_k, "fit", no_fits)
    again = gmvae(*command, "-q")
    assert json.loads(again.stdout) == first
    assert again.stderr == ""
    text = gmvae(*command[:-1]).stdout
    assert f"gmvae fit {home / 'X.csv'} --labels kind -k 3" in text


def test_an_interrupted_comparison_goes_on(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit, fitted = choice_of_k.fit, []
    monkeypatch.chdir(tmp_path)

    def interrupting(observations: Any, config: Any, fits: Any) -> Any:
        if len(fitted) == 1:
            fitted.append(None)
            raise KeyboardInterrupt
        fitted.append(config.n_components)
        return fit(observations, config, fits)

    monkeypatch.setattr(choice_of_k, "fit", interrupting)
    cut = gmvae("choose-k", home / "X.npy", "--k", "2:4", *SET, code=130)
    assert cut.stderr.endswith("Interrupted; the same command goes on from here.\n")
    half = json.loads(Path("runs/X-choose-k/choose-k.json").read_text())
    assert [each["fits"] is None for each in half["candidates"]] == [False, True, True]
    assert half["n_components"] == 3
    gmvae("choose-k", home / "X.npy", "--k", "2:3", *SET)
    assert fitted == [2, None, 3, 4]
    assert same_but_seconds(Path("runs/X-choose-k"), home / "whole")
    gmvae("choose-k", home / "X.npy", "--k", "2,6", *SET)
    assert fitted == [2, None, 3, 4, 6]


def test_a_folder_of_version_0_2_goes_on(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has "evidence" in the place of "criteria"."""
    now = (home / "whole" / "choose-k.json").read_text()
    (tmp_path / "choose-k.json").write_text(now.replace('"criteria": ', '"evidence": '))
    monkeypatch.setattr(choice_of_k, "fit", no_fits)
    gmvae("choose-k", home / "X.npy", "--k", "2:4", "-o", tmp_path, *SET)
    assert (tmp_path / "choose-k.json").read_text() == now


def test_other_conditions_are_not_mixed(home: Path, tmp_path: Path) -> None:
    start = ["choose-k", home / "X.npy", "--k", "2:4", "-o", home / "whole"]
    file = home / "whole" / "choose-k.json"
    before = file.read_text()
    back = "set it back, or choose another folder by `-o`."
    assert f"`max_iter` must be as in {file}, 2; got 3: {back}" in refused(*start, *SET[2:], "--epochs", 3)
    assert f"`seed` must be as in {file}, 0; got 5: {back}" in refused(*start, *SET, "--seed", 5)
    assert f"`fits` must be as in {file}, 2; got 0: {back}" in refused(*start, *SET, "--fits", 0)
    assert "`checksum` must be as in" in refused("choose-k", home / "noise.npy", *start[2:], *SET)
    assert file.read_text() == before
    (tmp_path / "notes.txt").write_text("mine")
    assert "must be a new or empty folder, or one that" in refused(*start[:-1], tmp_path, *SET)
    assert "must be a folder; got the file" in refused(*start[:-1], tmp_path / "notes.txt", *SET)
    (tmp_path / "choose-k.json").write_text("{}")
    assert "must be what `gmvae choose-k` wrote; it is not" in refused(*start[:-1], tmp_path, *SET)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--k", "2:500"], "`n_components` must be at most the number of rows; got 500 for 120 rows: take fewer"),
        (["--set", "n_components=3"], "`n_components` must be set once; got it more than once by `--k` and `--set`."),
        (["--epochs", "many"], "`max_iter` must be an integer of at least 1 or 'auto'; got 'many'."),
        (["--labels", "kind"], "`labels` must be"),
    ],
)
def test_a_comparison_that_cannot_begin_leaves_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sentence in refused("choose-k", home / "X.npy", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_without_fits_the_criteria_are_shown_alone(home: Path, tmp_path: Path) -> None:
    result = gmvae("choose-k", home / "X.npy", "--fits", 0, "--k", "2:8:2", "-o", tmp_path / "a")
    assert "held-out" not in result.output
    assert re.search(r"^ +4 +\d\.\d{3} +\d\.\d{3} +\d\.\d{3} +\d\.\d{3} *$", result.stdout, re.MULTILINE)
    np.save(tmp_path / "few.npy", blobs(30))
    few = gmvae("choose-k", tmp_path / "few.npy", "--fits", 0, "--k", "2:4", "-o", tmp_path / "b", "-q")
    assert re.search(r"^clusters +none: halves of so few rows say nothing$", few.stdout, re.MULTILINE)
    single = gmvae("choose-k", tmp_path / "few.npy", "--fits", 1, "--k", "2,3", "-o", tmp_path / "c", "-q", *SET)
    assert "fits agree" not in single.stdout


def test_a_preset_gives_all_but_the_number(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", blobs(60))
    preset = ["--preset", "paper-synthetic", "--epochs", 1, "--fits", 1]
    document = json.loads(
        gmvae("choose-k", tmp_path / "X.npy", "--k", "2,3", "-o", tmp_path / "p", *preset, "--json").stdout
    )
    assert (document["settings"]["bound"], document["settings"]["network"]) == ("paper", "paper-synthetic")
    assert [each["n_components"] for each in document["candidates"]] == [2, 3]


def test_what_is_left_is_the_mean_of_what_was(monkeypatch: pytest.MonkeyPatch) -> None:
    from gmvae.cli.choose_k import _Clock

    said: list[str] = []
    clock = _Clock(said.append)
    criteria = Criteria(2, 0.5, 0.1, 0.5)
    done = [Candidate(k, criteria, Fits([-1.0, -2.0], 0.75, [2.0, 2.0], 2, 100.0 * (k - 1))) for k in (2, 3)]
    clock.tell(Choice([done[0], *(Candidate(k, None, None) for k in (3, 4, 5))]), done[0])
    clock.tell(Choice([*done, *(Candidate(k, None, None) for k in (4, 5))]), done[1])
    assert said == [
        "K = 2: held-out bound -1.500, fits agree by 0.75; 100.0 s, about 5 min left.",
        "K = 3: held-out bound -1.500, fits agree by 0.75; 200.0 s, about 5 min left.",
    ]
