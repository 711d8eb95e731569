"""Medley: medical vision-language models, trained in stages, scored honestly, explained, and answered in one place.

import medley
print(medley.load("runs/cxr_reasoner").predict("film.dcm", text="Cough for two weeks."))
"""

from medley.core.about import VERSION as __version__

__all__ = ["__version__", "load"]


def load(run, **kwargs):
    """The Predictor of a run folder; see `medley.serving.predictor.load` (imported here, when it is asked for)."""
    from medley.serving.predictor import load as load_predictor

    return load_predictor(run, **kwargs)
