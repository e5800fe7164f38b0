"""What can be wrong with a model: each error names the offender and what would be right."""

from __future__ import annotations


class ModelError(Exception):
    """Base of the errors of floor 2."""


class ManifestError(ModelError):
    """A manifest is not what it must be: the message names the field, its value and what is expected."""


class TensorError(ModelError):
    """Features do not fit a model's input: the message names the features that are missing or too many."""


class ArtefactError(ModelError):
    """A model file is refused before it is used: wrong checksum, wrong backend, or not parseable."""


class BackendUnavailableError(ModelError):
    """A runtime, provider, device or delegate that a backend needs is not there: the message says which."""


class InferenceError(ModelError):
    """A runtime failed at a call, or gave what is no number: the scores of that call are lost."""


class BundleError(ModelError):
    """A model bundle is not whole: the message names every file that is missing, damaged or not listed."""


class ModelStateError(ModelError):
    """A learned state from the journal does not fit this detector; nothing of it was taken over."""


class PictureError(ModelError):
    """A picture is not what a model inspects: the message names its size or type and what is expected."""


class TooFewRowsError(ModelError):
    """What is there to learn from cannot teach this model: the message says how much is needed."""


class EvaluationError(ModelError):
    """A protocol broke a rule of judging: looked before it decided, or left out a metric it owes."""
