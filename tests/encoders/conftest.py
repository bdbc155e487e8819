"""The fixtures that these tests share."""

from __future__ import annotations

import pytest

from mmad_rag.encoders import Encoder, load_encoder
from tests.encoders import encoder_models as models
from tests.encoders.encoder_models import ClipFiles


@pytest.fixture(scope="session")
def clip_files(tmp_path_factory: pytest.TempPathFactory) -> ClipFiles:
    return models.write_open_clip(tmp_path_factory.mktemp("open_clip"))


@pytest.fixture(scope="session")
def clip(clip_files: ClipFiles) -> Encoder:
    return load_encoder(clip_files.spec(), batch_size=3)
