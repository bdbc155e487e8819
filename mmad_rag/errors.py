"""The errors of the library, and what to do about them.

MmadRagError                 any error that the user must act on (printed without traceback, exit code 1)
├── InputError               an input cannot be used
│   ├── ImageError           an image is missing, unreadable, truncated or too large
│   ├── KnowledgeError       a product file or knowledge folder is wrong
│   ├── DataError            a benchmark file (mmad.json, answers, run folder) is wrong
│   └── SpecError            an encoder or model spec is unknown or incomplete
├── IndexMismatchError       an index is absent, damaged, or was built by something else
├── EncoderError             an encoder could not be loaded or used
├── ExtraError               an optional library is not installed
└── ModelError               a model gave no reply
    ├── ModelActionError     the user must act (key, address, model name): a run stops
    │   └── ModelSetUpError  the set-up is likely wrong, because nothing was answered yet
    └── ModelRetryError      the provider failed for now; asking again later may work

Every message says what happened, to which path or value, and what to do next.
"""


class MmadRagError(Exception):
    """The root of all errors that this library raises on purpose."""


class InputError(MmadRagError, ValueError):
    """An input cannot be used as it is."""


class ImageError(InputError):
    """An image is missing, unreadable, truncated or too large."""


class KnowledgeError(InputError):
    """A product file or a knowledge folder is wrong; the message names file, field and line."""


class DataError(InputError):
    """A benchmark file, an answers file or a run folder is wrong."""


class SpecError(InputError):
    """A model or encoder spec such as `openai:gpt-4o` is unknown or incomplete."""


class IndexMismatchError(MmadRagError):
    """An index folder is absent, damaged, or does not match the encoder or the knowledge used with it."""


class EncoderError(MmadRagError):
    """An encoder could not be loaded, or lacks the tower that was requested."""


class ExtraError(MmadRagError):
    """An optional library is not installed; the message names the extra that brings it."""


class ModelError(MmadRagError):
    """A model gave no reply."""


class ModelActionError(ModelError):
    """A model cannot reply until the user acts: a key, an address or a model name is wrong. A run stops."""


class ModelSetUpError(ModelActionError):
    """A model's first questions all failed alike, so probably the set-up is wrong.

    A run that already holds replies of this model continues.
    """


class ModelRetryError(ModelError):
    """A model gave no reply this time, after the allowed retries; asking again later may work."""
