"""Asks a fitted forest for the cultivars of the wines that it never saw, and counts what it answers."""

import argparse
import json
from pathlib import Path

import joblib
import table
from sklearn.metrics import accuracy_score, confusion_matrix


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--wine", type=Path, required=True)
    given = parser.parse_args()

    model = joblib.load(given.model)
    measured, cultivars = table.read(given.wine, model["features"])
    rows = model["held_out"]
    truth, guesses = [cultivars[row] for row in rows], model["forest"].predict([measured[row] for row in rows])

    print(f"{len(rows)} wines; a line for each cultivar, a column for each answer")
    for cultivar, counts in enumerate(confusion_matrix(truth, guesses, labels=[0, 1, 2])):
        print(f"cultivar {cultivar}: " + "".join(f"{count:>5}" for count in counts))
    metrics = {"accuracy": float(accuracy_score(truth, guesses)), "wines": len(rows)}
    Path("results").mkdir(exist_ok=True)
    Path("results/evaluation.json").write_text(json.dumps(metrics, indent=2) + "\n")
    print(f"accuracy {metrics['accuracy']:.3f}")


if __name__ == "__main__":
    main()
