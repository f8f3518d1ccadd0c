# SPDX-License-Identifier: Apache-2.0
"""`fmmp-studio`: click keypoints on one picture, see them appear on the next ones, in a browser."""

import argparse
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from fmmp_runtime.cli.arguments import new_parser, positive
from fmmp_runtime.cli.command import command


@command("fmmp-studio", extra="studio")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns when the server is stopped."""
    args = _parser().parse_args(argv)
    if args.static is None:
        _serve(args)
        return 0
    from fmmp_runtime.bundle.folder import Bundle
    from fmmp_runtime.studio.static import write_static

    write_static(Bundle.open(args.bundle), args.static, args.onnxruntime_web)
    print(f"{args.static}: for any web server; docs/studio.md names the headers for threads")
    return 0


def _parser() -> argparse.ArgumentParser:
    from fmmp_runtime.backends import NAMES

    parser = new_parser(
        "fmmp-studio",
        "Serve a page on which keypoints are clicked on one picture and answered on the next "
        "ones, and a data set is labelled. Everything is kept in the project's folder.",
    )
    parser.add_argument("bundle", type=Path, help="folder that fmmp-export wrote")
    parser.add_argument(
        "--project", type=Path, default=Path("studio"), metavar="DIR", help="(default: %(default)s)"
    )
    parser.add_argument("--backend", default="auto", choices=("auto", *NAMES), help="(default: %(default)s)")
    parser.add_argument("--threads", type=positive, metavar="N", help="of an answer (default: one a core)")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at; beyond this machine the page needs the token that is printed "
        "(default: %(default)s)",
    )
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    parser.add_argument(
        "--static",
        type=Path,
        metavar="DIR",
        help="instead of serving, write a folder in which the bundle runs in the browser itself",
    )
    parser.add_argument(
        "--onnxruntime-web",
        type=Path,
        default=Path("runtime/studio/node_modules/onnxruntime-web/dist"),
        metavar="DIR",
        help="for --static: dist of that npm package (default: %(default)s)",
    )
    return parser


def _serve(args: argparse.Namespace) -> None:
    """Listen until Ctrl-C."""
    import socket

    import uvicorn

    from fmmp_runtime.estimator import PoseEstimator
    from fmmp_runtime.studio.answers import Answers
    from fmmp_runtime.studio.app import LOOPBACK, create_app, new_token
    from fmmp_runtime.studio.project import ProjectFolder

    project = ProjectFolder(args.project)
    estimator = PoseEstimator(args.bundle, args.backend, args.threads)
    token = None if args.host in LOOPBACK else new_token()
    family = socket.AF_INET6 if ":" in args.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((args.host, args.port))
        except OSError as error:
            raise OSError(
                error.errno,
                f"cannot listen at {args.host}:{args.port}: {error.strerror}; --port 0 takes a free one",
            ) from error
        host = f"[{args.host}]" if family == socket.AF_INET6 else args.host
        address = f"http://{host}:{listener.getsockname()[1]}/" + (f"?token={token}" if token else "")
        print(
            f"{address}\nproject: {args.project}; {estimator.backend.description}; Ctrl-C stops", flush=True
        )
        if args.open:
            webbrowser.open(address)
        config = uvicorn.Config(
            create_app(Answers(estimator, project), project, token),
            log_level="warning",
            ws_max_size=4 * 2**20,
        )
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    sys.exit(main())
