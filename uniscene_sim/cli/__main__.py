"""`python -m uniscene_sim.cli`."""

import sys

from uniscene_sim.cli.main import main

sys.exit(main())
