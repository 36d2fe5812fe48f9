"""``python -m qdebug.cli``, for where the ``qdebug`` command is not on the path."""

import sys

from qdebug.cli.program import main

sys.exit(main())
