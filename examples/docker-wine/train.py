"""Fits a forest that tells the cultivar of a wine, and keeps it together with the wines it never saw."""

import argparse
import json
from pathlib import Path

import joblib
import table
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wine", type=Path, required=True)
    parser.add_argument("--trees", type=int, required=True)
    parser.add_argument("--depth", type=int, required=True)
    parser.add_argument("--held-out", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--features", nargs="+", required=True)
    given = parser.parse_args()

    measured, cultivars = table.read(given.wine, given.features)
    seen, unseen = train_test_split(
        range(len(cultivars)), test_size=given.held_out, stratify=cultivars, random_state=given.seed
    )
    forest = RandomForestClassifier(given.trees, max_depth=given.depth, oob_score=True, random_state=given.seed)
    forest.fit([measured[row] for row in seen], [cultivars[row] for row in seen])
    guesses, truth = forest.predict([measured[row] for row in unseen]), [cultivars[row] for row in unseen]
    print(f"{len(seen)} wines to learn from, {len(unseen)} held out")
    for name, weight in zip(given.features, forest.feature_importances_, strict=True):
        print(f"{name:<17} {weight:.2f}")

    metrics = {
        "accuracy": float(accuracy_score(truth, guesses)),
        "f1": float(f1_score(truth, guesses, average="macro")),
        "out_of_bag": float(forest.oob_score_),
    }
    results = Path("results")
    results.mkdir(exist_ok=True)
    joblib.dump({"forest": forest, "features": given.features, "held_out": unseen}, results / "model.joblib")
    (results / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    print(", ".join(f"{name} {value:.3f}" for name, value in metrics.items()))


if __name__ == "__main__":
    main()
