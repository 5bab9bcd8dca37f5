"""The runs that the page can use: those named by the user and those that come along, each opened at its first use."""

import importlib
import threading

from toolkit import runs


def finished_runs(named=(), published=runs.PUBLISHED):
    """Finished runs by label: those with the paths `named`, then those that come along in a folder.

    Raises Stop if a named one is no finished run.
    """
    found = {str(path): runs.finished_run(None, path) for path in named}
    along = (runs.Run(path) for path in sorted(published.glob("*")))
    return found | {run.path.name: run for run in along if run.finished}


class Models:
    """What a tab needs of each run, opened once, at its first use, however many visitors ask for it at the same time.

    Args:
        runs: finished runs by label.
        openers: by recipe a function that makes of the recipe's module and a run's path what the tab needs.
    """

    def __init__(self, runs, openers):
        self.runs, self._openers = runs, openers
        self._opened, self._lock = {}, threading.Lock()

    def __iter__(self):
        return iter(self.runs)

    def __getitem__(self, label):
        """Raises Stop if the run's files are damaged."""
        with self._lock:
            if label not in self._opened:
                run, recipe = self.runs[label], self.runs[label].config["recipe"]
                module = importlib.import_module(f"recipes.{recipe}")  # not at the start, which would wait for all
                self._opened[label] = self._openers[recipe](module, run.path)
            return self._opened[label]

    def setting(self, label, name):
        """A setting of a run, as it is in its config.json."""
        return self.runs[label].config["settings"].get(name)
