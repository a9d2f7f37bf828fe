"""Fits a decision tree that tells the cultivar of a wine, and keeps it together with the wines it never saw."""

import argparse
import json
from pathlib import Path

import joblib
import table
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import StratifiedKFold, cross_val_score, train_test_split
from sklearn.tree import DecisionTreeClassifier


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wine", type=Path, required=True)
    parser.add_argument("--depth", type=int, required=True)
    parser.add_argument("--criterion", required=True)
    parser.add_argument("--pruning", type=float, required=True)
    parser.add_argument("--held-out", type=float, required=True)
    parser.add_argument("--folds", type=int, required=True)
    parser.add_argument("--balanced", action="store_true")
    parser.add_argument("--tree", type=json.loads, required=True)
    parser.add_argument("--features", nargs="+", required=True)
    parser.add_argument("--seed", type=int, required=True)
    return parser.parse_args()


def main() -> None:
    given = arguments()
    measured, cultivars = table.read(given.wine, given.features)
    seen, unseen = train_test_split(
        range(len(cultivars)), test_size=given.held_out, stratify=cultivars, random_state=given.seed
    )
    print(f"{len(cultivars)} wines, {len(given.features)} measurements each; {len(unseen)} wines are held out")

    tree = DecisionTreeClassifier(
        max_depth=given.depth,
        criterion=given.criterion,
        ccp_alpha=given.pruning,
        class_weight="balanced" if given.balanced else None,
        random_state=given.seed,
        **given.tree,
    )
    known, answers = [measured[row] for row in seen], [cultivars[row] for row in seen]
    folds = StratifiedKFold(given.folds, shuffle=True, random_state=given.seed)
    scores = []
    for number, fold in enumerate(folds.split(known, answers), start=1):
        scores.extend(cross_val_score(tree, known, answers, cv=[fold]))
        print(f"fold {number} of {given.folds}: accuracy {scores[-1]:.3f}", flush=True)

    tree.fit(known, answers)
    guesses, truth = tree.predict([measured[row] for row in unseen]), [cultivars[row] for row in unseen]
    metrics = {
        "accuracy": float(accuracy_score(truth, guesses)),
        "f1": float(f1_score(truth, guesses, average="macro")),
        "cross_validation": float(sum(scores) / len(scores)),
        "leaves": int(tree.get_n_leaves()),
    }
    results = Path("results")
    results.mkdir(exist_ok=True)
    joblib.dump({"tree": tree, "features": given.features, "held_out": unseen}, results / "model.joblib")
    (results / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    for name, value in metrics.items():
        print(f"{name:<17} {value:.4g}")


if __name__ == "__main__":
    main()
