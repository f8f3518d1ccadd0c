# SPDX-License-Identifier: Apache-2.0
"""`fmmp-eval`: PCK of a checkpoint or a bundle, and of the baselines; alone, or shared by processes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fmmp_runtime.cli.arguments import (
    add_device,
    add_json,
    add_links_from,
    add_out,
    as_now,
    check_places,
    new_parser,
)
from fmmp_runtime.cli.command import command, say

if TYPE_CHECKING:
    from fmmp_train.evaluation.bootstrap import Mean, Summary
    from fmmp_train.evaluation.protocol import Protocol
    from fmmp_train.processes import Processes


_LISTS = {"--split": ",", "--categories": ","}  # and what once stood between their values


@command("fmmp-eval", extra="train")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = _parser()
    args = parser.parse_args(as_now(argv, "fmmp-eval", lists=_LISTS))
    if args.model is None and not args.baselines:
        parser.error("nothing to evaluate: give a MODEL first, or --baselines, or both")
    splits = tuple(dict.fromkeys(args.split))
    if args.json is not None and len(splits) > 1:
        parser.error("--json is for one split: give --out DIR, which gets a report for each")

    from fmmp_train.evaluation.protocol import Protocol  # after parsing, so that --help is instant
    from fmmp_train.evaluation.report.tables import print_splits
    from fmmp_train.processes import choose_device, join_processes

    try:
        protocol = Protocol(
            name=args.protocol,
            shots=args.shots,
            seed=args.seed,
            categories=tuple(args.categories),
            pairs=args.pairs,
            episodes=args.episodes,
            queries=args.queries,
            links=args.links,
        )
    except ValueError as error:
        parser.error(str(error))
    check_places(args.json)
    if args.box == "find":
        if args.model is None or not args.model.is_dir():
            parser.error("--box find needs a bundle as MODEL: fmmp-export writes one, with its search")
        _evaluate_finding(args, splits, protocol)
        return 0
    args.device = choose_device(args.device)
    with join_processes(args.device) as processes:
        summaries = {split: _evaluate(args, split, len(splits) > 1, protocol, processes) for split in splits}
    if processes.leads and args.model is not None and args.model.is_file():
        say("fmmp-eval", f"{args.model} ran on {args.device}")
    if len(splits) > 1 and processes.leads:
        print_splits(summaries)
    return 0


def _evaluate(
    args: argparse.Namespace, split: str, is_one_of_many: bool, protocol: Protocol, processes: Processes
) -> dict[str, Summary]:
    """Evaluate one split; the leading process prints and writes."""
    from fmmp_train.data.tools.depict import is_painted
    from fmmp_train.evaluation.bootstrap import summarise
    from fmmp_train.evaluation.compare import EvaluationConfig, compare
    from fmmp_train.evaluation.report.charts import write_chart
    from fmmp_train.evaluation.report.files import write_csv, write_json
    from fmmp_train.evaluation.report.paper import published
    from fmmp_train.evaluation.report.tables import print_tables, print_trust
    from fmmp_train.evaluation.trust import trust
    from fmmp_train.progress import show_evaluation

    out = args.out / split if args.out is not None and is_one_of_many else args.out
    config = EvaluationConfig(
        model=args.model,
        data=args.data,
        split=split,
        protocol=protocol,
        baselines=args.baselines,
        device=args.device,
        backend=args.backend,
        max_keypoints=args.keypoints,
        links_from=args.links_from,
        out=out,
    )
    with show_evaluation() as on_progress:
        reports = compare(config, processes=processes, on_progress=on_progress)
    mean: Mean = "category" if protocol.name == "pairs" else "image"
    summaries = {name: summarise(report, mean) for name, report in reports.items()}
    if not processes.leads:
        return summaries
    judged = {name: worth for name, report in reports.items() if (worth := trust(report)) is not None}
    paper = published(split, protocol.shots) if protocol.name == "mp100" and not protocol.categories else []
    painted = is_painted(args.data)
    targets = [args.json] if args.json is not None else []
    if out is not None:
        targets.append(out / "report.json")
        write_csv(out / "report.csv", reports, summaries)
        shots = f"{protocol.shots} shot{'s' if protocol.shots > 1 else ''}"
        title = ", ".join([split, *(["painted images"] if painted else []), shots, protocol.name])
        write_chart(out / "report.png", title, reports, summaries, judged)
    for file in targets:
        write_json(file, reports, summaries, judged, protocol, split=split, painted=painted, paper=paper)
    print_tables(reports, summaries, protocol, paper)
    if painted:
        print(f"{args.data}: painted images, no photographs: set none of these numbers beside others")
    print_trust(judged)
    if out is not None:
        print(f"{out}: report.json, report.csv, report.png")
    return summaries


def _evaluate_finding(args: argparse.Namespace, splits: Sequence[str], protocol: Protocol) -> None:
    """Evaluate a bundle where no box is given; prints a table for each split."""
    from dataclasses import asdict

    from fmmp_runtime import PoseEstimator
    from fmmp_runtime.files import write_json
    from fmmp_train.data import read_split
    from fmmp_train.evaluation.finding import evaluate_finding
    from fmmp_train.evaluation.pairs import draw_pairs
    from fmmp_train.evaluation.report.tables import print_finding

    estimator = PoseEstimator(args.model, backend=args.backend)
    for split in splits:
        dataset = read_split(args.data, split, links_from=args.links_from)
        pairs = draw_pairs(
            dataset,
            per_category=protocol.pairs,
            shots=protocol.shots,
            seed=protocol.seed or 0,
            categories=protocol.categories or None,
        )
        finding = evaluate_finding(estimator, dataset, pairs)
        print_finding(finding, {number: dataset.categories[number].name for number in finding.by_category})
        if args.json is not None:
            write_json(args.json, {"split": split, "pairs": len(pairs), **asdict(finding)})


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("fmmp-eval", "PCK of a checkpoint or a bundle per category and overall.")
    default = " (default: %(default)s)"
    parser.add_argument(
        "model", type=Path, nargs="?", metavar="MODEL", help="checkpoint (file) or bundle (folder)"
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder with annotations/ and images/"
    )
    parser.add_argument(
        "--split",
        nargs="+",
        default=("val",),
        metavar="NAME",
        help="annotations/<name>.json, one or several (default: val)",
    )
    parser.add_argument(
        "--box",
        choices=("given", "find"),
        default="given",
        help="find: a bundle must find the object itself, and say where there is none" + default,
    )
    parser.add_argument("--shots", type=int, default=1, help="support images" + default)
    parser.add_argument(
        "--categories",
        type=int,
        nargs="+",
        default=(),
        metavar="ID",
        help="only these (default: all of the split)",
    )
    parser.add_argument("--baselines", action="store_true", help="also copying and nearest neighbour")
    parser.add_argument(
        "--protocol",
        choices=("pairs", "mp100"),
        default="pairs",
        help="pairs: equally many seeded pairs a category, mean over pairs, then categories; "
        "mp100: the released episodes, mean over images" + default,
    )
    parser.add_argument("--pairs", type=int, default=24, help="of a category" + default)
    parser.add_argument("--episodes", type=int, default=200, help="of a category, mp100" + default)
    parser.add_argument("--queries", type=int, default=15, help="of an episode, mp100" + default)
    parser.add_argument(
        "--links",
        choices=("given", "shuffled"),
        default="given",
        help="shuffled: tell a wrong skeleton, to see what the links are worth to the model" + default,
    )
    add_links_from(parser)
    parser.add_argument("--seed", type=int, help="(default: 0 for pairs, 1 for mp100 as published)")
    parser.add_argument("--keypoints", type=int, help="K of a released checkpoint (default: its authors')")
    add_device(parser, help="of a checkpoint")
    parser.add_argument("--backend", default="auto", help="of a bundle" + default)
    add_out(
        parser,
        metavar="DIR",
        help="write every batch here, so that the same command goes on after an interruption; "
        "gets report.json, report.csv and report.png",
    )
    add_json(parser, help="also write the numbers here")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
